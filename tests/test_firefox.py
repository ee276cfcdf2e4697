"""The laboratory in Debian's Firefox, from disk, without a network."""

import shutil

import pytest
from marionette import firefox
from page_tools import SITE

PAGE = SITE / "laboratory.html"
PARTS = ("noise", "fool", "blur", "code", "grain", "page")
ANSWERED = """new Promise((done, fail) => {
  const part = document.querySelector(".vbl-lab[data-part=%s]");
  part.addEventListener("lab-answer",
    () => done(part.querySelector("[role=status]").textContent), {once: true});
  [...part.querySelectorAll("button")].find(b => b.textContent === "Try the sample").click();
})"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if not program:
        pytest.skip("no Firefox on this machine")
    if not PAGE.exists():
        pytest.skip("there is no _build/html/laboratory.html: run `make book` first")
    with firefox(program, tmp_path_factory.mktemp("profile")) as session:
        session.open(PAGE)
        session.run("window.addEventListener('error', e => (window.failed ??= []).push(e.message))")
        yield session


@pytest.mark.parametrize("part", PARTS)
def test_every_part_answers_in_firefox(opened, part):
    said = opened.run(ANSWERED % part)
    assert isinstance(said, str)
    assert any(letter.isdigit() for letter in said)
    assert opened.run("window.failed ?? []") == []
