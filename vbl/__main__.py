"""``python -m vbl``, which is also what ``accelerate launch -m vbl train ...`` runs."""

from vbl.cli import main

raise SystemExit(main())
