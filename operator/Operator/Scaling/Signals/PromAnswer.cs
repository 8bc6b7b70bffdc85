namespace Bursar.Operator.Scaling.Signals;

/// <summary>The result of a query: a number, nothing (which is not 0), or an error.</summary>
internal sealed record PromAnswer
{
    private PromAnswer() { }

    public static PromAnswer Empty { get; } = new();

    /// <summary>A finite number; null if there is none.</summary>
    public double? Value { get; private init; }

    /// <summary>Why there is no number, for users; null if there is one or the result is empty.</summary>
    public string? Error { get; private init; }

    /// <summary>
    /// The first of the answer's warnings; null for a complete answer. Some data could not be read, so the value may be too low or the
    /// result wrongly empty.
    /// </summary>
    public string? Warning { get; init; }

    public bool IsEmpty => Value is null && Error is null;

    public static PromAnswer From(double value) =>
        double.IsFinite(value)
            ? new() { Value = value }
            : Failed($"the answer is {(double.IsNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf")}, which is not a usable number");

    public static PromAnswer Failed(string error) => new() { Error = error };
}
