namespace Bursar.Sandbox.Schemas;

/// <summary>A compiled expression.</summary>
internal sealed class CelProgram
{
    private readonly CelExpression _expression;

    private CelProgram(CelExpression expression, CelType type)
    {
        _expression = expression;
        Type = type;
    }

    /// <summary>The type of its result; <c>dyn</c> if unknown.</summary>
    public CelType Type { get; }

    /// <summary>Compiles an expression. Null if it is invalid; <paramref name="errors"/> then has the errors in cel-go's format.</summary>
    /// <exception cref="UnsupportedCelException">The expression uses a function that this evaluator does not support.</exception>
    public static CelProgram? Compile(string source, IReadOnlyDictionary<string, CelType> variables, out string errors)
    {
        errors = "";
        try
        {
            var expression = CelParser.Parse(source);
            var checker = new CelChecker(variables);
            var type = checker.Check(expression);
            if (checker.Errors.Count == 0)
            {
                return new CelProgram(expression, type);
            }

            errors = string.Join('\n', checker.Errors.OrderBy(e => e.Position).Select(e => Located(source, e.Position, e.Message)));
        }
        catch (CelSyntaxException e)
        {
            errors = Located(source, e.Position, e.Message);
        }

        return null;
    }

    /// <exception cref="CelException">The evaluation ends with an error.</exception>
    public object? Evaluate(Func<string, (bool Found, object? Value)> variables) => new CelEvaluator(variables).Evaluate(_expression);

    public bool Reads(string variable) => Reads(_expression, variable);

    private static bool Reads(CelExpression expression, string name) =>
        expression switch
        {
            CelIdentifier identifier => identifier.Name == name,
            CelSelect select => Reads(select.Operand, name),
            CelCall call => call.Arguments.Any(a => Reads(a, name)),
            CelListLiteral list => list.Items.Any(i => Reads(i.Value, name)),
            CelMapLiteral map => map.Entries.Any(e => Reads(e.Key, name) || Reads(e.Value, name)),
            CelMacro macro => Reads(macro.Target, name) || macro.Arguments.Any(a => Reads(a, name)),
            _ => false,
        };

    private static string Located(string source, int position, string message)
    {
        var start = position == 0 ? 0 : source.LastIndexOf('\n', position - 1) + 1;
        var end = source.IndexOf('\n', start);
        var line = source.AsSpan(0, start).Count('\n') + 1;
        return $"ERROR: <input>:{line}:{position - start + 1}: {message}\n | {source[start..(end < 0 ? source.Length : end)]}\n | {new string('.', position - start)}^";
    }
}
