"""Execute the chapters ahead of Sphinx, which finds what they print and draw in a cache.

Those that the cache does not hold run in kernels of their own, two at a time where there are two
cores. None stops another: what a failed one got to is kept for its page, and it is executed again
in the next build.
"""

import asyncio
import os
import shutil
import traceback
from contextlib import asynccontextmanager, suppress

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient

from progress import Progress

# Where cores are few or busy, kernels with several threads each wait for one another.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Kernel(NotebookClient):
    """Executes one notebook, and leaves signals alone.

    nbclient's own context answers Ctrl-C by ending the kernel that was started last, and the
    build would go on. Here Ctrl-C interrupts the build, which ends every kernel on its way out.
    """

    @asynccontextmanager
    async def async_setup_kernel(self, **options):
        """Start a kernel and shut it down: at once if something went wrong."""
        self.create_kernel_manager()
        try:
            await self.async_start_new_kernel(**options)
            await self.async_start_new_kernel_client()
            yield
        except BaseException:
            self.shutdown_kernel = "immediate"
            raise
        finally:
            if self.km:
                await self._async_cleanup_kernel()


async def execute(chapter, timeout, log):
    """Run a chapter's cells in a new kernel and its folder; the chapter notes what goes wrong.

    A cell may take `timeout` seconds. Tracebacks, and what kernels say of themselves, are logged.
    """
    kernel = Kernel(
        chapter.notebook,
        timeout=timeout,
        record_timing=False,
        on_cell_execute=chapter.begin,
        resources={"metadata": {"path": str(chapter.path.parent)}},
    )
    variables = {**ONE_THREAD, **os.environ, "VBL_STATIC": "1"}
    chapter.start()
    try:
        await kernel.async_execute(env=variables, stdout=log, stderr=log)
        chapter.end()
    except Exception as reason:  # whatever it is, the other chapters go on
        if asyncio.current_task().cancelling():  # nbclient takes this for the kernel's death
            raise asyncio.CancelledError from None
        log.write(f"{chapter.path.name}: {traceback.format_exc()}\n")
        chapter.end(reason)


def keep(cache, chapter):
    """Put an executed chapter where Sphinx looks for it."""
    data = {
        "execution_seconds": chapter.seconds,
        "inputs": chapter.inputs,
        "failure": chapter.failure,
    }
    bundle = CacheBundleIn(chapter.notebook, str(chapter.path), data=data)
    _, key = cache.create_hashed_notebook(chapter.notebook)
    # If a build was killed here, there is a folder without the file; the cache would stumble.
    shutil.rmtree(cache.path / "executed" / key, ignore_errors=True)
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def is_kept(cache, chapter):
    """Whether the cache holds a good execution of this code with these inputs."""
    try:
        record = cache.match_cache_notebook(chapter.notebook)
        cache.get_cache_bundle(record.pk)  # the file is missing or torn if a build was killed
    except (KeyError, ValueError):
        return False
    return record.data.get("inputs") == chapter.inputs and not record.data.get("failure")


def forget_others(cache, chapters):
    """Remove what no chapter has a use for: executions of code that has changed since."""
    used = {cache.create_hashed_notebook(chapter.notebook)[1] for chapter in chapters}
    for record in cache.list_cache_records():
        if record.hashkey not in used:
            with suppress(KeyError):  # there is no file
                cache.remove_cache(record.pk)


def at_once():
    """How many chapters are executed at the same time: two, if this process has two cores."""
    affinity = getattr(os, "sched_getaffinity", None)
    return min(2, len(affinity(0)) if affinity else os.cpu_count() or 1)


async def execute_all(chapters, cache, timeout, log):
    """Execute chapters in their order, so many at once, and say how far they are."""
    progress, slots = Progress(), asyncio.Semaphore(at_once())

    async def take_turn(chapter):
        async with slots:
            if chapter.cells:
                progress.running.append(chapter)
                await execute(chapter, timeout, log)
                progress.running.remove(chapter)
                progress.say(f"  {chapter.path.stem}: {chapter.outcome()}")
            keep(cache, chapter)

    watch = asyncio.create_task(progress.watch())
    await asyncio.gather(*map(take_turn, chapters))
    watch.cancel()


def execute_missing(chapters, folder, timeout, log):
    """Execute the chapters that the cache in a folder does not hold, and return them.

    Args:
        chapters: All of the book's, in the order to start them in.
        folder: Of the cache, the one where Sphinx looks.
        timeout: The seconds that a cell may take.
        log: A file, open for writing.
    """
    cache = get_cache(folder)
    forget_others(cache, chapters)
    missing = [chapter for chapter in chapters if not is_kept(cache, chapter)]
    # ZeroMQ cannot use the event loop that is Windows' default.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(execute_all(missing, cache, timeout, log))
    cache.db.dispose()
    return missing
