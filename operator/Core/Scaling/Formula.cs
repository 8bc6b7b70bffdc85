namespace Bursar.Core.Scaling;

/// <summary>
/// KEDA's <c>advanced.scalingModifiers.formula</c>: one number from those of the named triggers, in the part of the expr language
/// that has numbers, truths and lists.
/// <code>
/// primary ?? secondary ?? 8
/// queue &gt; 2 ? queue + tokens / 100 : 1
/// count([a, b, c], {# &gt; 1}) &gt; 1 ? 5 : 0
/// </code>
/// A trigger without a figure is nil: <c>??</c>, <c>== nil</c> and lists may deal with it, everything else that touches it comes to
/// nothing. Unlike in expr, the mean, median, least and greatest of an empty list are nil: nothing known is not zero.
/// </summary>
public sealed class Formula
{
    public const int MaxLength = 4096;

    /// <summary>How many parts are computed at most: lists within lists multiply.</summary>
    internal const int MaxSteps = 20_000;

    private readonly FormulaNode _root;

    private Formula(string text, FormulaNode root, IReadOnlySet<string> names)
    {
        Text = text;
        _root = root;
        Names = names;
    }

    public string Text { get; }

    /// <summary>The triggers it names.</summary>
    public IReadOnlySet<string> Names { get; }

    /// <summary>Null where it cannot be read; then <paramref name="error"/> says what is wrong and where, counted from 1.</summary>
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
    /// Null where it comes to nil or to no number (a division by zero, an overflow, a nil that is added up): an error to whoever asks,
    /// never 0.
    /// </summary>
    public double? Evaluate(IReadOnlyDictionary<string, double?> values)
    {
        var result = _root.Evaluate(new(values));
        return result.State == FormulaState.Known && double.IsFinite(result.Number) ? result.Number : null;
    }

    public override string ToString() => Text;
}
