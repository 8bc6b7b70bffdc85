using System.Text;
using Bursar.Core.Text;

namespace Bursar.Agent.Scrape;

/// <summary>
/// Reads a training pod's progress from its metrics page. Unreadable lines of other metrics are skipped and counted. The page is refused
/// if a line of one of the three metrics is unreadable or not a count, because the slowest rank might be missing. Pure.
/// </summary>
public static class ExpositionReader
{
    /// <summary>2^53; above it a double cannot represent each integer.</summary>
    private const double MaxCount = 9007199254740992;

    private static readonly long LatestSecond = new DateTimeOffset(9999, 1, 1, 0, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds();

    public static ScrapeResult ReadProgress(ReadOnlySpan<byte> page, ScrapeOptions options)
    {
        byte[] stepName = Encoding.UTF8.GetBytes(options.StepMetric);
        byte[] totalName = Encoding.UTF8.GetBytes(options.TotalMetric);
        byte[] checkpointName = Encoding.UTF8.GetBytes(options.CheckpointMetric);
        long? step = null,
            total = null;
        DateTimeOffset? checkpoint = null;
        string? wrong = null;
        PrometheusReadResult result;
        try
        {
            result = PrometheusText.ReadPage(
                page,
                (in PrometheusLine line) =>
                {
                    if (line.NameIs(stepName))
                    {
                        if (Count(line, ref wrong) is { } value)
                            step = Math.Min(step ?? long.MaxValue, value);
                    }
                    else if (line.NameIs(totalName))
                    {
                        if (Count(line, ref wrong) is { } value)
                            total = Math.Max(total ?? 0, value);
                    }
                    else if (line.NameIs(checkpointName) && Count(line, ref wrong) is { } second && second > 0 && second < LatestSecond)
                    {
                        // Use the oldest of several ranks, because a checkpoint is complete when the last rank has written.
                        var at = DateTimeOffset.FromUnixTimeSeconds(second);
                        checkpoint = checkpoint is null || at < checkpoint ? at : checkpoint;
                    }
                },
                name =>
                {
                    if (name.SequenceEqual(stepName) || name.SequenceEqual(totalName) || name.SequenceEqual(checkpointName))
                        wrong = $"a line of {Encoding.UTF8.GetString(name)} cannot be read";
                }
            );
        }
        catch (PrometheusFormatException exception)
        {
            return new ScrapeResult(ScrapeOutcome.Malformed, exception.Message);
        }
        if (wrong is not null)
            return new ScrapeResult(ScrapeOutcome.Malformed, wrong) { SkippedLines = result.Refused };
        return step is { } done
            ? new ScrapeResult(ScrapeOutcome.Ok)
            {
                Progress = new TrainingProgress(done, total > 0 ? total : null, checkpoint),
                SkippedLines = result.Refused,
            }
            : new ScrapeResult(ScrapeOutcome.Nothing, $"no {options.StepMetric} on the page") { SkippedLines = result.Refused };
    }

    private static long? Count(in PrometheusLine line, ref string? wrong)
    {
        if (Count(line.Value) is { } count)
            return count;
        wrong = $"line {line.LineNumber}: {Encoding.UTF8.GetString(line.Name)} is not a count";
        return null;
    }

    /// <summary>Returns the value as a count, rounded down. Null if it is negative, too large or NaN.</summary>
    internal static long? Count(double value) => value is >= 0 and <= MaxCount ? (long)value : null;
}
