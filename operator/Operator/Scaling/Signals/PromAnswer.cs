namespace Bursar.Operator.Scaling.Signals;

/// <summary>What came of a query: a number, nothing at all (which is not 0), or an error.</summary>
internal sealed record PromAnswer
{
    private PromAnswer() { }

    public static PromAnswer Empty { get; } = new();

    /// <summary>Finite; null where there was no number.</summary>
    public double? Value { get; private init; }

    /// <summary>Why there is no number, for people; null where there is one, or nothing.</summary>
    public string? Error { get; private init; }

    /// <summary>
    /// The first of the answer's warnings: some of the data could not be read, so the value may be too low or the result empty by mistake.
    /// Null for a complete answer.
    /// </summary>
    public string? Warning { get; init; }

    /// <summary>The query matched nothing.</summary>
    public bool IsEmpty => Value is null && Error is null;

    public static PromAnswer Of(double value) =>
        double.IsFinite(value)
            ? new() { Value = value }
            : Failed($"the answer is {(double.IsNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf")}, which is not a usable number");

    public static PromAnswer Failed(string error) => new() { Error = error };
}
