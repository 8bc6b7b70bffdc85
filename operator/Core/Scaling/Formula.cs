namespace Bursar.Core.Scaling;

/// <summary>
/// KEDA's <c>advanced.scalingModifiers.formula</c>: one number computed from the values of named triggers, in the part of the expr language
/// with numbers, truth values and lists.
/// <code>
/// primary ?? secondary ?? 8
/// queue &gt; 2 ? queue + tokens / 100 : 1
/// count([a, b, c], {# &gt; 1}) &gt; 1 ? 5 : 0
/// </code>
/// A trigger without a value is nil. <c>??</c>, <c>== nil</c> and lists accept nil; every other operation on it has no result. Unlike in
/// expr, the mean, median, minimum and maximum of an empty list are nil, because an unknown value is not zero.
/// </summary>
public sealed class Formula
{
    public const int MaxLength = 4096;

    /// <summary>The number of evaluated nodes is limited, because nested lists multiply.</summary>
    internal const int MaxSteps = 20_000;

    private readonly FormulaNode _root;

    private Formula(string text, FormulaNode root, IReadOnlySet<string> names)
    {
        Text = text;
        _root = root;
        Names = names;
    }

    public string Text { get; }

    /// <summary>The names of the triggers that it uses.</summary>
    public IReadOnlySet<string> Names { get; }

    /// <summary>
    /// Returns null if the text cannot be parsed. <paramref name="error"/> then names the problem and its position, counted from 1.
    /// </summary>
    public static Formula? TryParse(string text, out string error)
    {
        if (text.Length > MaxLength)
        {
            error = $"a formula of more than {MaxLength} characters";
            return null;
        }
        var parser = new FormulaParser(text);
        var root = parser.Parse();
        error = parser.Error ?? "";
        return root is null ? null : new(text, root, parser.Names);
    }

    /// <summary>
    /// Returns null if the result is nil or no number (a division by zero, an overflow, arithmetic on nil). Callers must treat null as an
    /// error, never as 0.
    /// </summary>
    public double? Evaluate(IReadOnlyDictionary<string, double?> values)
    {
        var result = _root.Evaluate(new(values));
        return result.State == FormulaState.Known && double.IsFinite(result.Number) ? result.Number : null;
    }

    public override string ToString() => Text;
}
