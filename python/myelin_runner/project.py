"""The user's module: what it offers, and how it is called."""
import asyncio
import functools
import importlib.util
import inspect
import os
import sys
import sysconfig

from .failures import describe

# Arrays and the like are values, not things to call.
_VALUE_LIBRARIES = ("numpy", "torch", "pandas")
# What the interpreter itself runs on is not replaced by a project's file of that name.
_ESSENTIAL = ("os", "io", "abc", "codecs", "encodings", "site", "stat", "posixpath", "genericpath", "myelin_runner")
_STANDARD = os.path.join(os.path.realpath(sysconfig.get_paths()["stdlib"]), "")


class CallUnknown(Exception):
    """There is no such object, method or function."""

    def __init__(self, what, known):
        super().__init__(what)
        self.what = what
        self.known = known


class Project:
    def __init__(self, folder, entry, push_message):
        self._folder = os.path.join(os.path.realpath(folder), "")
        self._entry = entry
        self._push_message = push_message
        self._module = None
        self._loop = None
        # Asked in every call, and it asks the file system; the files of a version do not change.
        self._is_own_file = functools.lru_cache(maxsize=1000)(self._is_own_file)

    def load(self):
        """Imports the entry as the module `main` (`__name__` is "main", so a `__main__` guard does not run)."""
        path = os.path.join(self._folder, self._entry)
        sys.path.insert(0, os.path.dirname(path))
        _make_way(os.path.dirname(path))
        name = os.path.splitext(os.path.basename(self._entry))[0]
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError("%s is not a Python module" % self._entry)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        self._module = module
        module.push_message = self._push_message
        spec.loader.exec_module(module)
        self._inject()

    def _inject(self):
        """Projects write `push_message = None` as a placeholder, in any of their modules. A function stays theirs."""
        self._module.__dict__.setdefault("push_message", None)
        for module in list(sys.modules.values()):
            if vars(module).get("push_message", self) is None and self._is_own_file(getattr(module, "__file__", None)):
                module.push_message = self._push_message

    def objects(self):
        """Public methods of every global instance, by its name."""
        return {name: _methods(value) for name, value in self._globals() if self._is_object(value)}

    def functions(self):
        return [name for name, value in self._globals() if self._is_function(value)]

    def call(self, object_name, method, args):
        target = self._target(object_name or None, method)
        result = target(*args) if isinstance(args, list) else target(**args)
        return self._finish(result) if inspect.isawaitable(result) else result

    def name_of(self, message):
        owner = message.get("object")
        return "%s.%s()" % (owner, message["method"]) if owner else "%s()" % message["method"]

    def stop(self):
        """Calls stop() of every object that has one, else of the module. Names called, and what failed."""
        found = [(name + ".stop", value.stop) for name, value in self._globals() if self._can_stop(value)]
        if not found and self._is_function(getattr(self._module, "stop", None)):
            found = [("stop", self._module.stop)]
        failed = []
        for name, function in found:
            try:
                result = function()
                if inspect.isawaitable(result):
                    asyncio.run(_await(result))
            except BaseException as error:  # noqa: B902 - the others must still be stopped
                failed.append(dict(describe(error, self._folder), name=name))
        return [name for name, _ in found], failed

    def _can_stop(self, value):
        return self._is_object(value) and callable(getattr(value, "stop", None))

    def _target(self, object_name, method):
        if object_name is None:
            function = vars(self._module).get(method)
            if method.startswith("_") or not self._is_function(function):
                raise CallUnknown("function %s" % method, ", ".join(self.functions()) or "no functions")
            return function
        owner = vars(self._module).get(object_name)
        if object_name.startswith("_") or not self._is_object(owner):
            raise CallUnknown("object %s" % object_name, ", ".join(self.objects()) or "no objects")
        target = None if method.startswith("_") else getattr(owner, method, None)
        if not callable(target):
            raise CallUnknown("method %s.%s" % (object_name, method), ", ".join(_methods(owner)) or "no methods")
        return target

    def _finish(self, awaitable):
        """Runs a coroutine to its end. One loop serves all calls, so that tasks it started go on with the next call."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop.run_until_complete(_await(awaitable))

    def _globals(self):
        module = self._module
        if module is None:  # A stop while the project is still being loaded.
            return []
        return [(name, value) for name, value in list(vars(module).items()) if not name.startswith("_")]

    def _is_function(self, value):
        if value is self._push_message or not callable(value) or isinstance(value, type):
            return False
        code = getattr(inspect.unwrap(value) if inspect.isroutine(value) else None, "__code__", None)
        return code is not None and self._is_own_file(code.co_filename)

    def _is_object(self, value):
        """An instance of a class of the project or of an installed library: not a value, a class or a module."""
        kind = type(value)
        if inspect.ismodule(value) or isinstance(value, type) or inspect.isroutine(value):
            return False
        home = kind.__module__.partition(".")[0]
        if home in _VALUE_LIBRARIES or home in sys.builtin_module_names or home == "typing":
            return False
        module = sys.modules.get(kind.__module__) or sys.modules.get(home)
        file = getattr(module, "__file__", None)
        if self._is_own_file(file):
            return True
        return file is not None and not _is_standard(file) and next(_method_names(value), None) is not None

    def _is_own_file(self, file):
        return file is not None and os.path.realpath(file).startswith(self._folder)


def _make_way(folder):
    """Modules of the project stand before the standard library's of the same name, as in a plain `python main.py`,
    although the runner has imported some of those already (and keeps them)."""
    for entry in os.listdir(folder):
        name = os.path.splitext(entry)[0]
        if name in sys.modules and name not in sys.builtin_module_names and name not in _ESSENTIAL:
            del sys.modules[name]


def _is_standard(file):
    real = os.path.realpath(file)
    return real.startswith(_STANDARD) and not {"site-packages", "dist-packages"}.intersection(real.split(os.sep))


def _methods(value):
    return list(_method_names(value))


def _method_names(value):
    for name in dir(value):
        # Of the class first: asking the instance would run its properties.
        if name.startswith("_") or isinstance(inspect.getattr_static(value, name, None), property):
            continue
        try:
            if callable(getattr(value, name)) and not isinstance(getattr(value, name), type):
                yield name
        except Exception:
            continue  # An attribute that cannot be read is not a method.


async def _await(awaitable):
    return await awaitable
