"""A plugin for the runner tests: each function is an operation. Its text is copied into a plugin folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from cloudify import ctx
from cloudify.decorators import operation
from cloudify.exceptions import (
    HttpException,
    NonRecoverableError,
    OperationRetry,
    RecoverableError,
    StopAgent,
)
from cloudify.state import ctx_parameters


def pause(seconds):
    threading.Event().wait(seconds)


def noop(**_):
    return None


def echo(**kwargs):
    kwargs.pop("ctx")
    return kwargs


def strict(a, ctx):
    return a


def parameters(**kwargs):
    return [ctx_parameters.a, kwargs["ctx"] is ctx._get_current_object(), ctx_parameters["ctx"].task_id]


def pid(**_):
    return os.getpid()


def logs_and_sends(**_):
    ctx.logger.info("a log")
    ctx.send_event("an event")


def writes(fail=False, **_):
    ctx.instance.runtime_properties["written"] = True
    if fail:
        raise RecoverableError("after writing")


def writes_both(**_):
    ctx.source.instance.runtime_properties["by"] = "source"
    ctx.target.instance.runtime_properties["by"] = "target"


def writes_slowly(seconds=0.5, **_):
    ctx.instance.runtime_properties["slow"] = True
    pause(seconds)


def retries(message="again please", retry_after=0, then=None, **_):
    ctx.operation.retry(message, retry_after)
    if then:
        raise NonRecoverableError(then)


def raises_retry(**_):
    raise OperationRetry("again", retry_after=3)


def recoverable(**_):
    raise RecoverableError("later", retry_after=7)


def non_recoverable(**_):
    class Special(NonRecoverableError):
        pass

    raise Special("never")


def http_error(**_):
    raise HttpException("http://x", 404, "gone")


def stop_agent(**_):
    raise StopAgent("stop")


class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.lock = threading.Lock()
        self.function = lambda: two


def unpicklable(**_):
    raise Unpicklable("cannot be pickled", 2)


class Nasty(Exception):
    def __str__(self):
        raise RuntimeError("even my text fails")


def nasty(**_):
    raise Nasty()


def system_exit(**_):
    sys.exit(3)


def keyboard_interrupt(**_):
    raise KeyboardInterrupt()


def base_exception(**_):
    class Base(BaseException):
        pass

    raise Base("base")


def caused(**_):
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError("outer") from error


def deep(n=100000, **_):
    def down(k):
        return down(k - 1) + 1

    sys.setrecursionlimit(500)
    return down(n)


def quits(code=7, **_):
    os._exit(code)


def segfaults(**_):
    os.kill(os.getpid(), signal.SIGSEGV)


def loops(**_):
    while True:
        pass


def ignores_sigterm(**_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        pass


def prints(size=1, **_):
    for _n in range(size):
        sys.stdout.write("x" * 1024 * 1024 + "\n")


def prints_and_quits(**_):
    for part in (b"one\ntw", b"o\nthr", b"ee"):
        os.write(1, part)
        pause(0.05)
    os.write(2, b"last words\n")
    os._exit(1)


def prints_for_ever(**_):
    while True:
        os.write(1, b"y" * 65536)


def logs_for_ever(**_):
    while True:
        ctx.logger.info("z" * 100000)


def returns_gigabytes(**_):
    return "x" * (100 * 1024 * 1024)


def stores_gigabytes(**_):
    ctx.instance.runtime_properties["x"] = "x" * (100 * 1024 * 1024)


def returns_object(**_):
    return object()


def returns_lambda_in_dict(**_):
    return {"f": lambda: 1}


def returns_cycle(**_):
    cycle = []
    cycle.append(cycle)
    return cycle


def returns_tuple(**_):
    return (1, "é", None, {"a": 1.5})


def returns_surrogate(**_):
    return "\udcff"


def sleeps(seconds=0.3, **_):
    pause(seconds)
    return os.getpid()


def meets(place, count, **_):
    """End when so many have begun."""
    Path(place, ctx.task_id).touch()
    while len(list(Path(place).iterdir())) < count:
        pause(0.01)
    return os.getpid()


def tells_and_loops(**_):
    ctx.logger.info("%d", os.getpid())
    while True:
        pause(1)


def writes_and_waits(until, **_):
    ctx.instance.runtime_properties["slow"] = True
    ctx.logger.info("%d", os.getpid())
    while not Path(until).exists():
        pause(0.01)


def leaves_a_process(**_):
    process = subprocess.Popen(["sleep", "600"])
    return [os.getpid(), process.pid]


def changes_its_surroundings(**_):
    os.environ["LEAKED"] = "yes"
    os.chdir("/")
    sys.stdout = None


def surroundings(**_):
    return [os.environ.get("LEAKED"), str(Path.cwd()), sys.stdout is not None]


def leaves_a_thread_that_kills(when, **_):
    def later():
        while not Path(when).exists():
            pause(0.01)
        os._exit(9)

    threading.Thread(target=later, daemon=True).start()
    return os.getpid()


def forks_and_uses_ctx(**_):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            ctx.get_execution()
            os.write(write, b"answered")
        except ConnectionError:
            os.write(write, b"tried the API")
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(read, 100).decode(), ctx.get_execution()["id"]


def uses_threads(**_):
    from cloudify.state import current_ctx

    mine = current_ctx.get_ctx()

    def work(n):
        with current_ctx.push(mine):
            ctx.logger.info("thread %s", n)
            ctx.get_resource("file.txt")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def closes_everything(**_):
    os.closerange(3, 1000)


def resource(path="file.txt", **_):
    return ctx.get_resource(path).decode()


def renders(**_):
    ctx.instance.runtime_properties["port"] = 80
    return ctx.get_resource_and_render("template.txt", {"a": "b"}).decode()


@operation(resumable=True)
def resumable(**_):
    return ctx.resume


not_callable = 5


def secret(**_):
    return os.environ.get("DATABASE_URL"), os.environ.get("CLOUDIFY_SECRET_KEY")


def whose_module(**_):
    import cloudify

    import scheduler

    return [cloudify.__file__, scheduler.__file__]


def environment(**_):
    return [sys.prefix, sys.executable, os.environ.get("VIRTUAL_ENV"), os.environ["PATH"].split(os.pathsep)[0]]


def execution_env(**_):
    return os.environ.get("FROM_ENV")


def missing_names(surface, **_):
    import importlib

    return [
        f"{module}.{name}"
        for module, names in surface.items()
        for name in names.split()
        if not hasattr(importlib.import_module(module), name)
    ]


def interpreter(**_):
    return sys.prefix
