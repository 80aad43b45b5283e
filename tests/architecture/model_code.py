"""What the model's text uses, read from its syntax trees: who calls whom, and which names reach `ctx`.

Names are followed as a reader follows them: constants, imports, loops over tuples, and arguments back to
every caller. What a helper is given by name belongs to the module that wrote the name. Nothing is run and
nothing is guessed: a name that cannot be followed is `*`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("sim/segments", "sim/recipes")
UNKNOWN = "*"

Function = ast.FunctionDef
Scope = tuple["Module", Function]


@dataclass(frozen=True)
class Value:
    """A text an expression may have.

    Attributes:
        text: The text; `*` for a part that only a run knows.
        module: The module that wrote it: where it is used, or the caller that passed it.
        function: `id` of the function that wrote it.
    """

    text: str
    module: str
    function: int


@dataclass(eq=False)
class Module:
    """One file of the model."""

    name: str
    path: Path
    tree: ast.Module
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)

    @property
    def short(self) -> str:
        """Path below the repository."""
        return self.path.relative_to(ROOT).as_posix()


def _module(name: str, path: Path) -> Module:
    module = Module(name, path, ast.parse(path.read_text()))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            module.imports |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            module.imports |= {alias.asname or alias.name: (alias.name, None) for alias in node.names}
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef):
            module.functions[node.name] = node
        elif isinstance(node, ast.ClassDef):
            module.classes.add(node.name)
            module.functions |= {
                f"{node.name}.{item.name}": item for item in node.body if isinstance(item, ast.FunctionDef)
            }
        elif isinstance(node, ast.Assign):
            module.constants |= {
                target.id: node.value for target in node.targets if isinstance(target, ast.Name)
            }
            for target in node.targets:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    module.constants |= {
                        one.id: value
                        for one, value in zip(target.elts, node.value.elts, strict=True)
                        if isinstance(one, ast.Name)
                    }
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            module.constants[node.target.id] = node.value
    return module


class Model:
    """All files of the rooms that hold the model."""

    def __init__(self, root: Path = ROOT) -> None:
        files = [path for room in ROOMS for path in sorted((root / room).rglob("*.py"))]
        names = {
            ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
            for path in files
        }
        self.modules = {name: _module(name, path) for name, path in names.items()}
        self._bindings: dict[int, _Bindings] = {}

    def functions(self) -> Iterator[Scope]:
        """Every function and method."""
        for module in self.modules.values():
            for function in module.functions.values():
                yield module, function

    # -- names ------------------------------------------------------------------

    def target(self, module: Module, expression: ast.expr) -> tuple[str, Module, str] | None:
        """What a name means: ("module" | "function" | "class" | "constant", its module, its name there)."""
        if isinstance(expression, ast.Name):
            return self._member(module, expression.id)
        if isinstance(expression, ast.Attribute):
            owner = self.target(module, expression.value)
            if owner is None:
                return None
            kind, home, name = owner
            if kind == "module":
                return self._member(home, expression.attr)
            if kind == "class" and f"{name}.{expression.attr}" in home.functions:
                return "function", home, f"{name}.{expression.attr}"
        return None

    def _member(self, module: Module, name: str) -> tuple[str, Module, str] | None:
        if name in module.functions:
            return "function", module, name
        if name in module.classes:
            return "class", module, name
        if name in module.constants:
            return "constant", module, name
        if name in module.imports:
            source, member = module.imports[name]
            full = source if member is None else f"{source}.{member}"
            if full in self.modules:
                return "module", self.modules[full], ""
            if source in self.modules and member is not None:
                return self._member(self.modules[source], member)
        return None

    def called(self, module: Module, call: ast.Call) -> list[tuple[Module, Function, int]]:
        """Functions a call may mean, and how many leading parameters are bound already."""
        found = self.target(module, call.func)
        if found is not None:
            kind, home, name = found
            if kind == "class":
                init = home.functions.get(f"{name}.__init__")
                return [(home, init, 1)] if init else []
            if kind == "function":
                function = home.functions[name]
                return [
                    (
                        home,
                        function,
                        int(
                            any(
                                isinstance(d, ast.Name) and d.id == "classmethod"
                                for d in function.decorator_list
                            )
                        ),
                    )
                ]
            return []
        if isinstance(call.func, ast.Attribute):
            return [(home, function, 1) for home, function in self._methods_seen(module, call.func.attr)]
        return []

    @cached_property
    def _methods(self) -> dict[str, list[Scope]]:
        """Methods by name; those that take a context."""
        found: dict[str, list[Scope]] = {}
        for module in self.modules.values():
            for name, function in module.functions.items():
                if "." in name and any(argument.arg == "ctx" for argument in function.args.args):
                    found.setdefault(function.name, []).append((module, function))
        return found

    @cached_property
    def _calls(self) -> dict[int, list[tuple[Scope, ast.Call, int]]]:
        """Calls by the function they mean."""
        found: dict[int, list[tuple[Scope, ast.Call, int]]] = {}
        for scope in self.functions():
            for node in ast.walk(scope[1]):
                if isinstance(node, ast.Call):
                    for _, function, bound in self.called(scope[0], node):
                        found.setdefault(id(function), []).append((scope, node, bound))
        return found

    # -- values ------------------------------------------------------------------

    def values(
        self, scope: Scope, expression: ast.expr, at: tuple[int, ...] = (), seen: frozenset[int] = frozenset()
    ) -> set[Value]:
        """Texts an expression of a function may have; of a container, those of its items.

        Args:
            scope: Module and function.
            expression: The expression.
            at: Which item of each item is meant, where a loop unpacks.
            seen: Expressions being followed.
        """
        module = scope[0]
        if id(expression) in seen:
            return set()
        seen |= {id(expression)}

        def of(node: ast.expr, at: tuple[int, ...] = at) -> set[Value]:
            return self.values(scope, node, at, seen)

        if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
            return {Value(expression.value, module.name, id(scope[1]))}
        if isinstance(expression, ast.JoinedStr):
            parts = [
                [part.value]
                if isinstance(part, ast.Constant)
                else sorted({value.text for value in of(part.value)} or {UNKNOWN})
                for part in expression.values
                if isinstance(part, ast.Constant | ast.FormattedValue)
            ]
            return {Value("".join(map(str, choice)), module.name, id(scope[1])) for choice in product(*parts)}
        if isinstance(expression, ast.Tuple | ast.List | ast.Set):
            if (
                at
                and not any(isinstance(item, ast.Starred) for item in expression.elts)
                and _flat(expression)
            ):
                return of(expression.elts[at[0]], at[1:]) if at[0] < len(expression.elts) else set()
            return set().union(
                *(of(item.value if isinstance(item, ast.Starred) else item) for item in expression.elts)
            )
        if isinstance(expression, ast.Dict):
            items = [*filter(None, expression.keys)] if at[:1] in ((), (0,)) else expression.values
            return set().union(*(of(item, at[1:]) for item in items))
        if isinstance(expression, ast.IfExp):
            return of(expression.body) | of(expression.orelse)
        if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Add | ast.BitOr):
            return of(expression.left) | of(expression.right)
        if isinstance(expression, ast.Subscript):
            return (
                of(expression.value, (1,))
                if self._is_dict(scope, expression.value)
                else of(expression.value, ())
            )
        if isinstance(expression, ast.Call):
            return self._of_call(scope, expression, at, seen)
        if isinstance(expression, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            return of(expression.elt)
        if isinstance(expression, ast.Name | ast.Attribute):
            return self._of_name(scope, expression, at, seen)
        return {Value(UNKNOWN, module.name, id(scope[1]))}

    def _is_dict(self, scope: Scope, expression: ast.expr) -> bool:
        found = self.target(scope[0], expression)
        return (
            found is not None
            and found[0] == "constant"
            and isinstance(found[1].constants[found[2]], ast.Dict)
        )

    def _of_call(self, scope: Scope, call: ast.Call, at: tuple[int, ...], seen: frozenset[int]) -> set[Value]:
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name in ("sorted", "tuple", "list", "set", "dict", "reversed", "frozenset") and call.args:
            return self.values(scope, call.args[0], at, seen)
        if name == "enumerate" and at[:1] == (1,):
            return self.values(scope, call.args[0], at[1:], seen)
        if name == "zip" and at:
            return self.values(scope, call.args[at[0]], at[1:], seen) if at[0] < len(call.args) else set()
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr in ("items", "keys", "values")
            and not call.args
        ):
            picked = {"items": at, "keys": (0, *at), "values": (1, *at)}[call.func.attr]
            return self.values(scope, call.func.value, picked, seen)
        made: set[Value] = set()
        for home, function, _ in self.called(scope[0], call):
            for node in ast.walk(function):
                if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
                    made |= self.values((home, function), node.value, at, seen)
        return made or {Value(UNKNOWN, scope[0].name, id(scope[1]))}

    def _of_name(
        self, scope: Scope, expression: ast.Name | ast.Attribute, at: tuple[int, ...], seen: frozenset[int]
    ) -> set[Value]:
        module, function = scope
        if isinstance(expression, ast.Name):
            bound = self._bound(function, expression)
            if bound:
                return set().union(
                    *(self.values(scope, value, (*deeper, *at), seen) for value, deeper in bound)
                )
            if expression.id in _parameters(function):
                return self._passed(scope, expression.id, at, seen)
        if (
            isinstance(expression, ast.Attribute)
            and isinstance(expression.value, ast.Name)
            and expression.value.id == "STATE"
        ):
            return {
                Value(text.text, module.name, id(function))
                for text in self._declared(scope, expression.attr, seen)
            }
        found = self.target(module, expression)
        if found is not None and found[0] == "constant":
            value = found[1].constants[found[2]]
            return {
                Value(text.text, module.name, id(function))
                for text in self.values((found[1], function), value, at, seen)
            }
        if (
            found is None
            and isinstance(expression, ast.Attribute)
            and (given := self._fields.get(expression.attr)) is not None
        ):
            return set().union(*(self.values(maker, value, at, seen) for maker, value in given))
        return {Value(UNKNOWN, module.name, id(scope[1]))}

    @cached_property
    def _fields(self) -> dict[str, list[tuple[Scope, ast.expr]]]:
        """Fields of data classes whose name no other class of the model has:
        what constructors are given for them.
        """
        owners: dict[str, list[tuple[Module, str, int]]] = {}
        for module in self.modules.values():
            for node in module.tree.body:
                if isinstance(node, ast.ClassDef):
                    names = [
                        item.target.id
                        for item in node.body
                        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
                    ]
                    for place, name in enumerate(names):
                        owners.setdefault(name, []).append((module, node.name, place))
        single = {
            (home.name, owner, name): place
            for name, [(home, owner, place), *more] in owners.items()
            if not more
        }
        found: dict[str, list[tuple[Scope, ast.expr]]] = {name: [] for _, _, name in single}
        for scope in self.functions():
            for call in ast.walk(scope[1]):
                target = self.target(scope[0], call.func) if isinstance(call, ast.Call) else None
                if target is None or target[0] != "class" or not isinstance(call, ast.Call):
                    continue
                for (home, owner, name), place in single.items():
                    if (home, owner) == (target[1].name, target[2]):
                        given = [word.value for word in call.keywords if word.arg == name] or call.args[
                            place : place + 1
                        ]
                        found[name] += [(scope, value) for value in given]
        return found

    def _declared(self, scope: Scope, name: str, seen: frozenset[int]) -> set[Value]:
        """What the state of a module declares under a name."""
        state = scope[0].constants["STATE"]
        assert isinstance(state, ast.Call)
        return set().union(
            *(self.values(scope, word.value, (), seen) for word in state.keywords if word.arg == name)
        )

    def _passed(self, scope: Scope, name: str, at: tuple[int, ...], seen: frozenset[int]) -> set[Value]:
        """What callers pass for a parameter; its default where none is passed."""
        _, function = scope
        arguments = function.args
        listed = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        defaults = dict(zip(listed[::-1], arguments.defaults[::-1], strict=False))
        defaults |= {
            arg.arg: value
            for arg, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if value is not None
        }
        found: set[Value] = set()
        for caller, call, bound in self._calls.get(id(function), ()):
            keywords = {keyword.arg: keyword.value for keyword in call.keywords}
            starred = arguments.vararg is not None and arguments.vararg.arg == name
            if starred:
                rest = call.args[len(listed) - bound :]
                for item in rest:
                    found |= self.values(
                        caller, item.value if isinstance(item, ast.Starred) else item, at, seen
                    )
            elif name in keywords:
                found |= self.values(caller, keywords[name], at, seen)
            elif name in listed and listed.index(name) - bound < len(call.args):
                found |= self.values(caller, call.args[listed.index(name) - bound], at, seen)
            elif name in defaults:
                found |= self.values(scope, defaults[name], at, seen)
        return found

    def _bound(self, function: Function, use: ast.Name) -> list[tuple[ast.expr, tuple[int, ...]]]:
        """What a local name may be bound to at a use: the expressions, and which item of each."""
        if id(function) not in self._bindings:
            self._bindings[id(function)] = _Bindings(function)
        return self._bindings[id(function)].of(use)

    # -- reach ------------------------------------------------------------------

    def reached(self, module: Module, roots: tuple[str, ...]) -> list[Scope]:
        """Functions that some functions of a module may call, themselves included."""
        todo: list[Scope] = [(module, module.functions[name]) for name in roots if name in module.functions]
        seen: dict[int, Scope] = {}
        while todo:
            scope = todo.pop()
            if id(scope[1]) in seen:
                continue
            seen[id(scope[1])] = scope
            todo += self._mentioned(*scope)
        return list(seen.values())

    def _mentioned(self, module: Module, function: Function) -> list[Scope]:
        found: list[Scope] = []
        for node in ast.walk(function):
            if isinstance(node, ast.Name | ast.Attribute):
                target = self.target(module, node)
                if target is not None and target[0] == "function":
                    found.append((target[1], target[1].functions[target[2]]))
                elif target is not None and target[0] == "class":
                    made = (f"{target[2]}.{name}" for name in ("__init__", "__post_init__"))
                    found += [
                        (target[1], target[1].functions[name]) for name in made if name in target[1].functions
                    ]
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and self.target(module, node.func) is None
            ):
                found += self._methods_seen(module, node.func.attr)
        return found

    def _methods_seen(self, module: Module, name: str) -> list[Scope]:
        """Methods of that name an object of this module may have: those of its segment and of the recipes."""
        segment = module.name.split(".")[:3]
        return [
            (home, one)
            for home, one in self._methods.get(name, ())
            if home.name.split(".")[:3] == segment or "recipes" in home.name
        ]


@dataclass(frozen=True)
class _Binding:
    """One binding of a local name: `path` leads to its statement, `inside` is what it holds in alone (a loop,
    a comprehension).
    """

    value: ast.expr
    item: tuple[int, ...]
    path: tuple[tuple[int, int], ...]
    inside: int | None


class _Bindings:
    """Local names of a function, and which of their bindings a use can see."""

    def __init__(self, function: Function) -> None:
        self._of: dict[str, list[_Binding]] = {}
        self._path: dict[int, tuple[tuple[int, int], ...]] = {}
        self._around: dict[int, frozenset[int]] = {}
        self._walk(function, (), frozenset())

    def of(self, use: ast.Name) -> list[tuple[ast.expr, tuple[int, ...]]]:
        """Bindings that may hold at a use: the last that surely came before,
        and those that may have come since.
        """
        path, around = self._path.get(id(use), ()), self._around.get(id(use), frozenset())
        found: list[_Binding] = []
        for binding in self._of.get(use.id, ()):
            if binding.inside is not None and binding.inside not in around:
                continue
            surely = binding.inside is not None or _comes_before(binding.path, path)
            found = [binding] if surely else [*found, binding] if binding.path < path or not found else found
        return [(binding.value, binding.item) for binding in found]

    def _walk(self, node: ast.AST, path: tuple[tuple[int, int], ...], around: frozenset[int]) -> None:
        self._path[id(node)], self._around[id(node)] = path, around
        around |= {id(node)}
        self._bind(node, path)
        for number, (_, value) in enumerate(ast.iter_fields(node)):
            if isinstance(value, list):
                block = bool(value) and isinstance(value[0], ast.stmt)
                for place, item in enumerate(value):
                    if isinstance(item, ast.AST):
                        self._walk(item, (*path, (number, place)) if block else path, around)
            elif isinstance(value, ast.AST):
                self._walk(value, path, around)

    def _bind(self, node: ast.AST, path: tuple[tuple[int, int], ...]) -> None:
        pairs: list[tuple[ast.expr, ast.expr, int | None]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value, None) for target in node.targets]
        elif (isinstance(node, ast.AnnAssign) and node.value is not None) or isinstance(node, ast.NamedExpr):
            pairs = [(node.target, node.value, None)]
        elif isinstance(node, ast.For):
            pairs = [(node.target, node.iter, id(node))]
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            pairs = [(part.target, part.iter, id(node)) for part in node.generators]
        for target, value, inside in pairs:
            for name, item in _targets(target):
                aligned = (
                    inside is None
                    and item
                    and isinstance(value, ast.Tuple)
                    and not any(isinstance(one, ast.Starred) for one in value.elts)
                )
                source = value.elts[item[0]] if aligned and isinstance(value, ast.Tuple) else value
                self._of.setdefault(name, []).append(
                    _Binding(source, item[1:] if aligned else item, path, inside)
                )


def _comes_before(first: tuple[tuple[int, int], ...], then: tuple[tuple[int, int], ...]) -> bool:
    """Whether a statement is an earlier one of a block around another."""
    depth = len(first)
    return (
        len(then) >= depth
        and first[:-1] == then[: depth - 1]
        and first[-1][0] == then[depth - 1][0]
        and first[-1][1] < then[depth - 1][1]
    )


def _flat(expression: ast.Tuple | ast.List | ast.Set) -> bool:
    """Whether a tuple is one item and not a table of items, each of which is unpacked."""
    return not any(isinstance(item, ast.Tuple | ast.List) for item in expression.elts)


def _parameters(function: Function) -> set[str]:
    arguments = function.args
    listed = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        *filter(None, (arguments.vararg, arguments.kwarg)),
    ]
    return {argument.arg for argument in listed}


def _targets(target: ast.expr, at: tuple[int, ...] = ()) -> Iterator[tuple[str, tuple[int, ...]]]:
    if isinstance(target, ast.Name):
        yield target.id, at
    elif isinstance(target, ast.Tuple | ast.List):
        for place, item in enumerate(target.elts):
            yield from _targets(item.value if isinstance(item, ast.Starred) else item, (*at, place))


@cache
def model() -> Model:
    """The model as it stands."""
    return Model()
