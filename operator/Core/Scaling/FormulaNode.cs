namespace Bursar.Core.Scaling;

/// <summary>The type of a node.</summary>
internal enum FormulaType
{
    Number,
    Truth,
    Nil,
    Numbers,
    Truths,
}

internal enum FormulaState
{
    Known,
    Nil,
    Wrong,
}

/// <summary>A number, a truth value (1 or 0), a list, nil, or the result of an operation on nil.</summary>
internal readonly record struct FormulaValue(FormulaState State, double Number, FormulaValue[]? Items = null)
{
    public static readonly FormulaValue Nil = new(FormulaState.Nil, 0);

    public static readonly FormulaValue Wrong = new(FormulaState.Wrong, 0);

    public bool IsKnown => State == FormulaState.Known;

    public bool IsTrue => IsKnown && Number != 0;

    public static FormulaValue From(double number) => double.IsNaN(number) ? Wrong : new(FormulaState.Known, number);

    public static FormulaValue From(bool truth) => new(FormulaState.Known, truth ? 1 : 0);

    public static FormulaValue From(FormulaValue[] items) => new(FormulaState.Known, 0, items);
}

/// <summary>The values that a formula is evaluated with, and the remaining number of steps.</summary>
internal sealed class FormulaScope(IReadOnlyDictionary<string, double?> values)
{
    private int _steps;

    /// <summary>The current item, written <c>#</c>.</summary>
    public FormulaValue Item { get; set; } = FormulaValue.Wrong;

    public bool Step() => ++_steps <= Formula.MaxSteps;

    public FormulaValue Get(string name) =>
        values.TryGetValue(name, out var value) && value is { } number ? FormulaValue.From(number) : FormulaValue.Nil;
}

/// <summary>A node of a formula.</summary>
/// <param name="Depth">Its nesting depth, which bounds the recursion of the evaluation.</param>
internal sealed record FormulaNode(FormulaType Type, int Depth, Func<FormulaScope, FormulaValue> Compute)
{
    public FormulaValue Evaluate(FormulaScope scope) => scope.Step() ? Compute(scope) : FormulaValue.Wrong;
}
