using System.Globalization;

namespace Bursar.Core.Reports;

/// <summary>What the numbers of one workload suggest, in a sentence that names them.</summary>
public static class Advice
{
    /// <summary>Less than this tells nothing.</summary>
    private static readonly TimeSpan EnoughMeasured = TimeSpan.FromMinutes(10);

    /// <summary>Below this part of its time a GPU that makes tokens is waiting: small batches, or long texts bound by input and output.</summary>
    private const double LowActivity = 0.20;

    /// <summary>Null: nothing to say.</summary>
    public static string? Of(ReportRow row)
    {
        if (row.Life is not { Activity: { } activity } life || TimeSpan.FromMilliseconds(life.MeasuredMs) < EnoughMeasured || activity >= LowActivity) return null;
        var tokens = life.Tokens.Prompt + life.Tokens.Generated;
        var hours = TimeSpan.FromMilliseconds(life.MeasuredMs).TotalHours;
        var seen = string.Create(CultureInfo.InvariantCulture, $"its GPUs worked {activity * 100:0.#} % of {hours:0.#} measured GPU-hours; the rest cost {life.Idle.ToShortString()}");
        return tokens > 0
            ? $"{seen}, while it made {tokens.ToString("N0", CultureInfo.InvariantCulture)} tokens: turn on dynamic batching, or serve it from fewer GPUs"
            : $"{seen}: feed it faster, or give it fewer GPUs";
    }
}
