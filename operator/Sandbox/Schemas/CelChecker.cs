namespace Bursar.Sandbox.Schemas;

/// <summary>An expression uses a function that a real API server supports and this one does not.</summary>
internal sealed class UnsupportedCelException(string function) : Exception(function);

/// <summary>
/// Finds errors in an expression that do not depend on values: unknown names and fields, and types without an overload.
/// </summary>
/// <remarks>Unknown types are accepted; the evaluation then ends with an error if they do not fit.</remarks>
internal sealed class CelChecker(IReadOnlyDictionary<string, CelType> variables)
{
    private readonly List<(string Name, CelType Type)> _bound = [];

    /// <summary>The errors with their offsets.</summary>
    public List<(int Position, string Message)> Errors { get; } = [];

    public CelType Check(CelExpression expression)
    {
        switch (expression)
        {
            case CelLiteral literal:
                return new CelType(CelValues.TypeOf(literal.Value));
            case CelIdentifier identifier:
                return Variable(identifier);
            case CelSelect select:
                return Select(select);
            case CelCall call:
                return Call(call);
            case CelListLiteral list:
                var items = list
                    .Items.Select(item => Check(item.Value) is var type && item.IsOptional ? type.Element ?? CelType.Dyn : type)
                    .ToList();
                return new CelType("list", Common(items));
            case CelMapLiteral map:
                var keys = map.Entries.Select(entry => Check(entry.Key)).ToList();
                var values = map
                    .Entries.Select(entry => Check(entry.Value) is var type && entry.IsOptional ? type.Element ?? CelType.Dyn : type)
                    .ToList();
                return new CelType("map", Common(values), Common(keys));
            case CelMacro macro:
                return Macro(macro);
            default:
                return CelType.Dyn;
        }
    }

    private CelType Variable(CelIdentifier identifier)
    {
        var bound = _bound.FindLastIndex(v => v.Name == identifier.Name);
        if (bound >= 0)
        {
            return _bound[bound].Type;
        }

        if (variables.TryGetValue(identifier.Name, out var type))
        {
            return type;
        }

        if (identifier.Name is "bool" or "int" or "uint" or "double" or "string" or "bytes" or "list" or "map" or "type" or "null_type")
        {
            return new CelType("type");
        }

        return Wrong(identifier.Position, $"undeclared reference to '{identifier.Name}' (in container '')");
    }

    private CelType Select(CelSelect select)
    {
        var operand = Check(select.Operand);
        var isOptional = operand.Name == "optional";
        var held = isOptional ? operand.Element ?? CelType.Dyn : operand;
        CelType? field = held switch
        {
            { IsDyn: true } => CelType.Dyn,
            { Name: "map" } => held.Element ?? CelType.Dyn,
            { Fields: { } fields } => fields.GetValueOrDefault(select.Field) ?? Wrong(select.Position, $"undefined field '{select.Field}'"),
            _ => Wrong(select.Position, $"type '{held}' does not support field selection"),
        };
        return select.IsTest ? CelType.Bool
            : isOptional || select.IsOptional ? new CelType("optional", field)
            : field!;
    }

    private CelType Call(CelCall call)
    {
        var types = call.Arguments.Select(Check).ToList();
        switch (call.Function)
        {
            case "_&&_" or "_||_":
                Expect(call.Arguments[0], types[0]);
                Expect(call.Arguments[1], types[1]);
                return CelType.Bool;
            case "_?_:_":
                Expect(call.Arguments[0], types[0]);
                return types[1].Agrees(types[2])
                    ? types[1].IsDyn
                        ? types[2]
                        : types[1]
                    : NoOverload(call, types);
            case "_==_" or "_!=_":
                return types[0].Agrees(types[1]) ? CelType.Bool : NoOverload(call, types);
            case "_[?_]":
                return new CelType("optional", types[0].Name == "optional" ? types[0].Element?.Element : types[0].Element);
            case "_[_]" when types[0].Name == "optional":
                return new CelType("optional", types[0].Element?.Element);
            case "optional.of" or "optional.ofNonZeroValue" when types.Count == 1:
                return new CelType("optional", types[0]);
            case "dyn" when types.Count == 1:
                return CelType.Dyn;
        }

        if (CelFunctions.IsUnsupported(call.Function))
        {
            throw new UnsupportedCelException(call.Function);
        }

        if (!CelFunctions.IsKnown(call.Function))
        {
            return Wrong(call.Position, $"undeclared reference to '{call.Function}' (in container '')");
        }

        var fitting = CelFunctions
            .Overloads(call.Function)
            .Where(o =>
                o.IsMember == call.IsMember && o.Parameters.Length == types.Count && !o.Parameters.Where((p, i) => !types[i].Fits(p)).Any()
            )
            .Select(o => Result(o.Result, types))
            .Distinct()
            .ToList();
        return fitting switch
        {
            [] => NoOverload(call, types),
            [var only] => only,
            _ => CelType.Dyn,
        };
    }

    private static CelType Result(string result, List<CelType> types) =>
        result switch
        {
            "element" => types[0].Element ?? CelType.Dyn,
            "same" => types[0],
            "list string" => new CelType("list", CelType.String),
            "list" or "map" or "optional" => new CelType(result, CelType.Dyn),
            _ => new CelType(result),
        };

    private CelType Macro(CelMacro macro)
    {
        var target = Check(macro.Target);
        var isMap = target.Name is "map" or "object";
        if (
            macro.Name is "all" or "exists" or "exists_one" or "filter" or "map" or "transformList" or "transformMap" or "transformMapEntry"
            && !isMap
            && target is { IsDyn: false, Name: not "list" }
        )
        {
            return Wrong(
                macro.Target.Position,
                $"expression of type '{target}' cannot be range of a comprehension (must be list, map, or dynamic)"
            );
        }

        var element = target.Element ?? CelType.Dyn;
        var first = macro.Second is null
            ? isMap
                ? target.Key ?? CelType.String
                : element
            : isMap
                ? target.Key ?? CelType.String
                : target.IsDyn
                    ? CelType.Dyn
                    : CelType.Int;
        var depth = _bound.Count;
        _bound.Add((macro.First, first));
        if (macro.Second is { } second)
        {
            _bound.Add((second, element));
        }

        var types = macro.Arguments.Select(Check).ToList();
        _bound.RemoveRange(depth, _bound.Count - depth);
        if (macro.Name is "all" or "exists" or "exists_one" or "filter" || types.Count == 2)
        {
            Expect(macro.Arguments[0], types[0]);
        }

        return macro.Name switch
        {
            "all" or "exists" or "exists_one" => CelType.Bool,
            "filter" => new CelType("list", first),
            "map" or "transformList" => new CelType("list", types[^1]),
            "transformMap" => new CelType("map", types[^1], first),
            "optMap" => new CelType("optional", types[0]),
            _ => types[^1],
        };
    }

    private void Expect(CelExpression expression, CelType type)
    {
        if (type is { IsDyn: false, Name: not "bool" })
        {
            Wrong(expression.Position, $"expected type 'bool' but found '{type}'");
        }
    }

    private CelType NoOverload(CelCall call, List<CelType> types) =>
        Wrong(
            call.Position,
            $"found no matching overload for '{call.Function}' applied to '{(call.IsMember ? $"{types[0]}.({string.Join(", ", types.Skip(1))})" : $"({string.Join(", ", types)})")}'"
        );

    private CelType Wrong(int position, string message)
    {
        Errors.Add((position, message));
        return CelType.Dyn;
    }

    private static CelType Common(List<CelType> types) => types.Count > 0 && types.TrueForAll(t => t == types[0]) ? types[0] : CelType.Dyn;
}
