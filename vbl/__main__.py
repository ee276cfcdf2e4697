"""``python -m vbl``, which is also what ``accelerate launch -m vbl train ...`` runs."""

from vbl.cli.main import main

raise SystemExit(main())
