using System.Numerics;
using Bursar.Core.Money;

namespace Bursar.Core.Reports;

/// <summary>
/// What one unit of output cost: the real cost of the GPUs that made it, idle time included. Exact until it is rounded, once, to a
/// whole unit of <see cref="Amount"/> (a 10⁻¹⁵ of a currency unit); null where there was no output.
/// </summary>
public sealed record UnitCosts
{
    public Amount? GpuHour { get; init; }

    public Amount? ThousandTokens { get; init; }

    public Amount? Request { get; init; }

    /// <summary>Of a step at the pace and rate of now: what the steps so far cost on average is the report's.</summary>
    public Amount? Step { get; init; }

    public double? TokenJoules { get; init; }

    /// <summary>What a workload's units cost.</summary>
    /// <param name="done">What it did.</param>
    /// <param name="rate">The rate of all its GPUs.</param>
    /// <param name="secondsPerStep">How long a step takes, where its progress tells.</param>
    public static UnitCosts Of(WorkDone done, HourlyCost? rate, double? secondsPerStep) =>
        new()
        {
            GpuHour = PerGpuHour(done),
            ThousandTokens = PerThousandTokens(done),
            Request = PerRequest(done),
            // A step may be shorter than the millisecond that money is counted by.
            Step = rate is { } known && secondsPerStep is { } seconds ? Per(known.For((long)Math.Round(seconds * 1e6)), 1, 1000) : null,
            TokenJoules = JoulesPerToken(done),
        };

    /// <summary>Per 1,000 tokens of both directions together.</summary>
    public static Amount? PerThousandTokens(WorkDone done) => Per(done.Serving.Spent, 1_000, done.Tokens.Both);

    /// <summary>
    /// Per 1,000 prompt tokens, as if the whole cost were theirs: prompt and generated tokens share the GPU's time in parts that nobody
    /// measures.
    /// </summary>
    public static Amount? PerThousandPrompt(WorkDone done) => Per(done.Serving.Spent, 1_000, done.Tokens.Prompt);

    /// <summary>Per 1,000 generated tokens, as if the whole cost were theirs.</summary>
    public static Amount? PerThousandGenerated(WorkDone done) => Per(done.Serving.Spent, 1_000, done.Tokens.Generated);

    /// <summary>Per request that ended; null where the server counts none.</summary>
    public static Amount? PerRequest(WorkDone done) => Per(done.Serving.Spent, 1, done.Tokens.Requests);

    public static Amount? PerStep(WorkDone done) => done.Training is { } training ? Per(training.Spent, 1, training.Steps) : null;

    /// <summary>Per GPU and hour, over prices that changed and cards of several kinds.</summary>
    public static Amount? PerGpuHour(WorkDone done) => Per(done.Spent, 3_600_000, done.ReservedGpuMs);

    /// <summary>Joules per token of both directions; null without tokens or where no energy was read.</summary>
    public static double? JoulesPerToken(WorkDone done) =>
        done.Serving.EnergyMj > 0 && done.Tokens.Both is > 0 and var tokens ? done.Serving.EnergyMj / 1000.0 / tokens : null;

    private static Amount? Per(Amount cost, long each, Int128 count)
    {
        if (count <= 0)
            return null;
        var product = (BigInteger)cost.Units * each;
        var quotient = BigInteger.DivRem(product, (BigInteger)count, out var remainder);
        var twice = BigInteger.Abs(remainder) * 2;
        if (twice > (BigInteger)count || twice == (BigInteger)count && !quotient.IsEven)
            quotient += product.Sign;
        return new((Int128)quotient);
    }
}
