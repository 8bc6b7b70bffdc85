using System.Numerics;
using Bursar.Core.Money;

namespace Bursar.Core.Reports;

/// <summary>
/// The cost per unit of output: the real cost of the GPUs that produced it, including idle time. Rounded once, to a whole unit of
/// <see cref="Amount"/>. Null: there was no output.
/// </summary>
public sealed record UnitCosts
{
    public Amount? GpuHour { get; init; }

    public Amount? ThousandTokens { get; init; }

    public Amount? Request { get; init; }

    /// <summary>At the present pace and rate. The average of all steps so far is in the report.</summary>
    public Amount? Step { get; init; }

    public double? TokenJoules { get; init; }

    /// <summary>Computes the unit costs of a workload.</summary>
    /// <param name="days">The usage to divide the cost by.</param>
    /// <param name="rate">The rate of all its GPUs.</param>
    /// <param name="secondsPerStep">The duration of a step. Null: unknown.</param>
    public static UnitCosts From(WholeDayUsage days, HourlyCost? rate, double? secondsPerStep) =>
        new()
        {
            GpuHour = PerGpuHour(days),
            ThousandTokens = PerThousandTokens(days),
            Request = PerRequest(days),
            // A step may be shorter than a millisecond, the smallest time in amounts.
            Step = rate is { } known && secondsPerStep is { } seconds ? PerUnit(known.For((long)Math.Round(seconds * 1e6)), 1, 1000) : null,
            TokenJoules = JoulesPerToken(days),
        };

    /// <summary>Returns the cost per 1,000 tokens, prompt and generated together.</summary>
    public static Amount? PerThousandTokens(WholeDayUsage days) => PerUnit(days.Serving.Spent, 1_000, days.Tokens.Both);

    /// <summary>
    /// Returns the cost per 1,000 prompt tokens, as if they caused the whole cost. How prompt and generated tokens share the GPU's time is
    /// not measured.
    /// </summary>
    public static Amount? PerThousandPrompt(WholeDayUsage days) => PerUnit(days.Serving.Spent, 1_000, days.Tokens.Prompt);

    /// <summary>Returns the cost per 1,000 generated tokens, as if they caused the whole cost.</summary>
    public static Amount? PerThousandGenerated(WholeDayUsage days) => PerUnit(days.Serving.Spent, 1_000, days.Tokens.Generated);

    /// <summary>Returns the cost per completed request. Null: the server does not count them.</summary>
    public static Amount? PerRequest(WholeDayUsage days) => PerUnit(days.Serving.Spent, 1, days.Tokens.Requests);

    public static Amount? PerStep(WholeDayUsage days) => days.Training is { } training ? PerUnit(training.Spent, 1, training.Steps) : null;

    /// <summary>Returns the average cost per GPU-hour, over price changes and several kinds of cards.</summary>
    public static Amount? PerGpuHour(WholeDayUsage days) => PerUnit(days.Spent, 3_600_000, days.ReservedGpuMs);

    /// <summary>Returns the energy per token, prompt and generated together. Null: no tokens, or no energy was measured.</summary>
    public static double? JoulesPerToken(WholeDayUsage days) =>
        days.Serving.EnergyMj > 0 && days.Tokens.Both is > 0 and var tokens ? days.Serving.EnergyMj / 1000.0 / tokens : null;

    private static Amount? PerUnit(Amount cost, long each, Int128 count)
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
