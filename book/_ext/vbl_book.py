"""What the book asks of Sphinx beyond Jupyter Book: local assets, clean pages, few buttons."""

import os
import re
from pathlib import Path

import vbl

ASSETS = Path(__file__).parent / "assets"

# Jupyter Book declares Thebe (live code from a server) on every page, used or not.
THEBE = re.compile(
    r'<script type="text/x-thebe-config">.*?</script>\s*<script>kernelName = [^<]*</script>', re.S
)
# A signature of several lines is a list of descriptions without terms: make it plain lines.
SIGNATURE = re.compile(r'<dl>\n(<dd><em class="sig-param">.*?)</dl>', re.S)
# Markup that assistive technology misreads, and what it should be.
REPAIRS = {
    'role="doc-biblioentry"': 'role="listitem"',
    '<summary aria-label="Toggle hidden content">': "<summary>",
    '<th class="head"><p></p></th>': "<td></td>",
}


def use_local_assets(app, config):
    """Serve ``assets/vendor`` as ``_static/vendor``."""
    config.html_static_path.append(str(ASSETS))


def hide_dead_buttons(app, config):
    """Drop launch and source buttons while the book does not know its own address."""
    options = config.html_theme_options
    known = bool(options.get("repository_url"))
    options["use_repository_button"] = options["use_source_button"] = known
    if not known:
        options["launch_buttons"] = {}
        options.pop("repository_url", None)
    elif not config.vbl_pages_branch:
        options["launch_buttons"] = {**options["launch_buttons"], "colab_url": ""}


def launch_full_edition(app, pagename, templatename, context, doctree):
    """Let the button for Colab open a chapter's plain notebook, as the download button does."""
    plain = f"/blob/{app.config.vbl_pages_branch}/_sources/{pagename}.ipynb"
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("text") == "Colab":
                button["url"] = re.sub(r"/blob/.*", plain, button["url"])


def set_substitutions(app, config):
    """Let prose say ``{{ repository }}`` and ``{{ version }}``."""
    url = config.html_theme_options.get("repository_url")
    text = f"<{url}>" if url else "the repository this book came from"
    ours = {"repository": text, "version": vbl.__version__}
    config.myst_substitutions = {**config.myst_substitutions, **ours}


def merge_single_page_visitors(app):
    """Give ``singlehtml`` the visitors of ``html``.

    sphinx_exercise registers visitors for ``singlehtml``, whereupon Sphinx no longer falls back
    to those of ``html`` and stops at the first hidden cell.
    """
    table = app.registry.translation_handlers
    if "singlehtml" in table:
        table["singlehtml"] = {**table.get("html", {}), **table["singlehtml"]}


def clean_scripts(app, pagename, templatename, context, doctree):
    """Remove Thebe and repeated scripts from a page's head."""
    seen, kept = set(), []
    for script in context.get("script_files", []):
        name = str(getattr(script, "filename", None) or "")
        body = getattr(script, "attributes", {}).get("body") or ""
        if "thebe" in name or "THEBE_JS_URL" in body or (name, body) in seen:
            continue
        seen.add((name, body))
        kept.append(script)
    context["script_files"] = kept


def plain_lines(match):
    """Return a signature's parameters as plain lines."""
    lines = match[1].replace("<dd>", "<span>").replace("</dd>", "</span>")
    return f'<span class="sig-lines">\n{lines}</span>'


def clean_body(app, pagename, templatename, context, doctree):
    """Remove Thebe from a page's body and repair its markup."""
    body = THEBE.sub("", context.get("body") or "")
    body = SIGNATURE.sub(plain_lines, body)
    for wrong, right in REPAIRS.items():
        body = body.replace(wrong, right)
    if "body" in context:
        context["body"] = body


def write_in_parallel(app, environment):
    """Write pages on all cores; Jupyter Book has no option for it. They are read one by one."""
    app.parallel = os.cpu_count()


def setup(app):
    """Register everything with Sphinx; the other modules bring the book's directives."""
    app.setup_extension("vbl_notation")
    app.setup_extension("vbl_tables")
    app.setup_extension("vbl_equations")
    app.setup_extension("vbl_benchmarks")
    app.setup_extension("vbl_published")
    app.setup_extension("vbl_reference")
    app.setup_extension("vbl_sections")
    app.setup_extension("vbl_ledger")
    app.setup_extension("vbl_numbers")
    app.setup_extension("vbl_quiz")
    app.setup_extension("vbl_answers")
    app.setup_extension("vbl_laboratory")
    app.setup_extension("vbl_side_by_side")
    app.setup_extension("vbl_notebooks")
    app.add_config_value("vbl_pages_branch", "", "html", str)
    app.connect("config-inited", use_local_assets)
    app.connect("config-inited", set_substitutions)
    app.connect("config-inited", hide_dead_buttons, priority=600)
    app.connect("builder-inited", merge_single_page_visitors)
    app.connect("env-updated", write_in_parallel)
    app.connect("html-page-context", launch_full_edition, priority=900)
    app.connect("html-page-context", clean_scripts, priority=900)
    app.connect("html-page-context", clean_body, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
