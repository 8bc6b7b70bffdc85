namespace Bursar.Sandbox.Schemas;

/// <summary>Evaluates a parsed expression. Use one instance per evaluation.</summary>
internal sealed class CelEvaluator(Func<string, (bool Found, object? Value)> variables)
{
    /// <summary>The steps after which an evaluation ends with an error, so that a rule cannot block the server.</summary>
    private const int MaxSteps = 1_000_000;

    private readonly List<(string Name, object? Value)> _bound = [];
    private int _steps;

    /// <exception cref="CelException">The evaluation ends with an error.</exception>
    public object? Evaluate(CelExpression expression)
    {
        if (++_steps > MaxSteps)
        {
            throw new CelException("operation cancelled: actual cost limit exceeded");
        }

        return expression switch
        {
            CelLiteral literal => literal.Value,
            CelIdentifier identifier => Variable(identifier.Name),
            CelSelect select => Select(select),
            CelCall { Function: "_&&_" } call => Junction(call, false),
            CelCall { Function: "_||_" } call => Junction(call, true),
            CelCall { Function: "_?_:_" } call => Evaluate(Bool(Evaluate(call.Arguments[0])) ? call.Arguments[1] : call.Arguments[2]),
            CelCall call => Call(call),
            CelListLiteral list => List(list),
            CelMapLiteral map => Map(map),
            CelMacro macro => Macro(macro),
            _ => throw new InvalidOperationException(expression.GetType().Name),
        };
    }

    private object? Variable(string name)
    {
        var bound = _bound.FindLastIndex(v => v.Name == name);
        if (bound >= 0)
        {
            return _bound[bound].Value;
        }

        var (found, value) = variables(name);
        return found ? value
            : name is "bool" or "int" or "uint" or "double" or "string" or "bytes" or "list" or "map" or "type" or "null_type"
                ? new CelTypeName(name)
            : throw new CelException($"no such attribute(s): {name}");
    }

    private object? Select(CelSelect select)
    {
        var operand = Evaluate(select.Operand);
        var optional = operand as CelOptional;
        if (optional is not null)
        {
            operand = optional.Value;
            if (!optional.HasValue)
            {
                return select.IsTest ? false : optional;
            }
        }

        if (operand is not CelMap map)
        {
            throw new CelException(operand is null ? $"no such key: {select.Field}" : "no such overload");
        }

        var found = map.TryGetValue(select.Field, out var value);
        if (select.IsTest)
        {
            return found;
        }

        if (select.IsOptional || optional is not null)
        {
            return found ? new CelOptional(true, value) : CelOptional.None;
        }

        return found ? value : throw new CelException($"no such key: {select.Field}");
    }

    /// <summary>
    /// Evaluates <c>&amp;&amp;</c> (decided by false) and <c>||</c> (decided by true). An error on one side is ignored if the other side
    /// decides.
    /// </summary>
    private bool Junction(CelCall call, bool decides)
    {
        try
        {
            if (Bool(Evaluate(call.Arguments[0])) == decides)
            {
                return decides;
            }
        }
        catch (CelException) when (_steps <= MaxSteps)
        {
            // Not in the exception filter, which runs before the left side's variables are removed.
            if (Decides(call.Arguments[1], decides))
            {
                return decides;
            }

            throw;
        }

        return Bool(Evaluate(call.Arguments[1]));
    }

    /// <summary>Returns true if an expression evaluates to the deciding value; false on an error.</summary>
    private bool Decides(CelExpression expression, bool decides)
    {
        try
        {
            return Bool(Evaluate(expression)) == decides;
        }
        catch (CelException)
        {
            return false;
        }
    }

    private object? Call(CelCall call)
    {
        var arguments = new object?[call.Arguments.Count];
        for (var i = 0; i < arguments.Length; i++)
        {
            arguments[i] = Evaluate(call.Arguments[i]);
        }

        switch (call.Function)
        {
            case "_==_":
                return CelValues.Same(arguments[0], arguments[1]);
            case "_!=_":
                return !CelValues.Same(arguments[0], arguments[1]);
            case "_[?_]" or "_[_]" when arguments[0] is CelOptional { HasValue: false }:
                return CelOptional.None;
            case "_[?_]" or "_[_]" when call.Function == "_[?_]" || arguments[0] is CelOptional:
                arguments[0] = arguments[0] is CelOptional { Value: var held } ? held : arguments[0];
                return arguments[0] switch
                {
                    CelMap map => arguments[1] is { } key && map.TryGetValue(key, out var value)
                        ? new CelOptional(true, value)
                        : CelOptional.None,
                    CelList list when arguments[1] is long index => index >= 0 && index < list.Count
                        ? new CelOptional(true, list[(int)index])
                        : CelOptional.None,
                    _ => throw new CelException("no such overload"),
                };
            default:
                return CelFunctions.Call(call.Function, call.IsMember, arguments);
        }
    }

    private CelList List(CelListLiteral literal)
    {
        var list = new CelList();
        foreach (var (item, isOptional) in literal.Items)
        {
            var value = Evaluate(item);
            if (!isOptional)
            {
                list.Add(value);
            }
            else if (value is CelOptional { HasValue: true })
            {
                list.Add(((CelOptional)value).Value);
            }
        }

        return list;
    }

    private CelMap Map(CelMapLiteral literal)
    {
        var map = new CelMap();
        foreach (var (keyExpression, valueExpression, isOptional) in literal.Entries)
        {
            var key = Evaluate(keyExpression);
            var value = Evaluate(valueExpression);
            if (isOptional && value is CelOptional optional)
            {
                if (!optional.HasValue)
                {
                    continue;
                }

                value = optional.Value;
            }

            Insert(map, key, value);
        }

        return map;
    }

    private object? Macro(CelMacro macro)
    {
        var target = Evaluate(macro.Target);
        switch (macro.Name)
        {
            case "optMap":
                return target is CelOptional { HasValue: true } some
                    ? new CelOptional(true, With(macro, some.Value, null, macro.Arguments[0]))
                    : CelOptional.None;
            case "optFlatMap":
                return target is CelOptional { HasValue: true } held ? With(macro, held.Value, null, macro.Arguments[0]) : CelOptional.None;
        }

        // One variable is the item of a list or the key of a map. Two are index and item, or key and value.
        var range = target switch
        {
            CelList list => list.Select((item, index) => macro.Second is null ? (item, null) : ((object?)(long)index, item)),
            CelMap map => map.Select(entry => ((object?)entry.Key, entry.Value)),
            _ => throw new CelException("no such overload"),
        };
        return macro.Name switch
        {
            "all" => Quantified(macro, range, false),
            "exists" => Quantified(macro, range, true),
            "exists_one" => range.Count(entry => Bool(With(macro, entry.Item1, entry.Item2, macro.Arguments[0]))) == 1,
            "filter" => CelList.From(Chosen(macro, range, macro.Arguments[0]).Select(entry => entry.Item1)),
            "map" or "transformList" => CelList.From(
                Chosen(macro, range, macro.Arguments is [var filter, _] ? filter : null)
                    .Select(entry => With(macro, entry.Item1, entry.Item2, macro.Arguments[^1]))
            ),
            _ => Transformed(macro, Chosen(macro, range, macro.Arguments is [var filter, _] ? filter : null)),
        };
    }

    private bool Quantified(CelMacro macro, IEnumerable<(object?, object?)> range, bool decides)
    {
        CelException? failed = null;
        foreach (var (first, second) in range)
        {
            try
            {
                if (Bool(With(macro, first, second, macro.Arguments[0])) == decides)
                {
                    return decides;
                }
            }
            catch (CelException e) when (_steps <= MaxSteps)
            {
                failed = e;
            }
        }

        return failed is null ? !decides : throw failed;
    }

    private IEnumerable<(object?, object?)> Chosen(CelMacro macro, IEnumerable<(object?, object?)> range, CelExpression? filter) =>
        filter is null ? range : range.Where(entry => Bool(With(macro, entry.Item1, entry.Item2, filter)));

    private CelMap Transformed(CelMacro macro, IEnumerable<(object?, object?)> range)
    {
        var result = new CelMap();
        foreach (var (first, second) in range)
        {
            var value = With(macro, first, second, macro.Arguments[^1]);
            if (macro.Name == "transformMap")
            {
                Insert(result, first, value);
                continue;
            }

            foreach (var entry in value as CelMap ?? throw new CelException("no such overload"))
            {
                Insert(result, entry.Key, entry.Value);
            }
        }

        return result;
    }

    private object? With(CelMacro macro, object? first, object? second, CelExpression body)
    {
        var depth = _bound.Count;
        _bound.Add((macro.First, first));
        if (macro.Second is { } name)
        {
            _bound.Add((name, second));
        }

        try
        {
            return Evaluate(body);
        }
        finally
        {
            _bound.RemoveRange(depth, _bound.Count - depth);
        }
    }

    private static void Insert(CelMap map, object? key, object? value)
    {
        if (key is not (string or bool or long or ulong))
        {
            throw new CelException("unsupported key type");
        }

        if (!map.TryAdd(key, value))
        {
            throw new CelException($"insert failed: key {CelFunctions.Text(key)} already exists");
        }
    }

    private static bool Bool(object? value) => value as bool? ?? throw new CelException("no such overload");
}
