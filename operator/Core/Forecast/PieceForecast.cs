using System.Globalization;

namespace Bursar.Core.Forecast;

/// <summary>
/// Forecasts the rest of a workload that consists of pieces. Its cost is the time of its pieces, not the time until its end with all GPUs
/// in use, because the last wave is seldom full. So <see cref="Estimate.Low"/>, <see cref="Estimate.Likely"/> and
/// <see cref="Estimate.High"/> are the time that all its GPUs would need, and <see cref="Estimate.LastWave"/> is how much later its last
/// piece ends.
/// </summary>
internal static class PieceForecast
{
    /// <summary>
    /// The interval in standard deviations, wider if few pieces were seen. Calibrated so that no sweep that fits is suspended in 12,000
    /// seeds of SweepProperties; 3 suspends one in some thousands.
    /// </summary>
    private const double Confidence = 4;

    private const int FewestSettled = 5;

    /// <summary>
    /// The high end is at most this share above the likely one, because a suspended sweep resumes only when the high end fits.
    /// </summary>
    private const double MostAbove = 1;

    /// <param name="source">The source that the estimate names.</param>
    /// <param name="whole">The duration of the whole run according to its user or earlier runs, for groups without an ended piece. Null:
    /// unknown.</param>
    /// <returns>Null if the workload does not consist of pieces or the duration of a piece is unknown.</returns>
    public static Estimate? From(JobFacts job, EstimateSource source, TimeSpan? whole = null)
    {
        var groups = job.Pieces.Where(group => group is { Gpus: > 0, Left: > 0 }).ToArray();
        if (!groups.Any(group => group.IsSweep))
            return null;
        var gpus = job.Gpus > 0 ? job.Gpus : groups.Max(group => (long)group.Slots * group.Gpus);
        if (gpus == 0)
            return null;

        // A duration of the whole run covers all waves, one after the other.
        var waves = Pieces.WavesOf(job.Pieces);
        var typical = waves > 0 ? whole / waves : null;

        double low = 0,
            likely = 0,
            high = 0,
            ends = 0;
        var settled = true;
        foreach (var stage in groups.GroupBy(group => group.Stage).OrderBy(stage => stage.Key))
        {
            double stageEnds = 0;
            // The first group that suffices ends the others and the later stages too.
            double? first = null;
            foreach (var group in stage.Where(group => group is { Suffices: true, Follows: false }))
                if (TimesOf(group, typical) is { } times && Remaining(group, times.Likely).End is var end && !(end >= first))
                    first = end;
            foreach (var group in stage.Where(group => !group.Follows))
            {
                if (TimesOf(group, typical) is not { } times)
                {
                    if (group.ToCome > 0 && first is null)
                        return null;
                    continue;
                }
                var (work, end) = Remaining(group, times.Likely);
                if (end > first)
                    (work, end) = (Math.Min(work, first.Value * group.Slots), first.Value);
                var deviation = work > 0 ? Deviation(group, times.Likely) / work : 0;
                var doubt = Confidence * (1 + Confidence / times.Likely.Count) * deviation;
                likely += work * group.Gpus;
                // Pieces in flight may end, or fail for good, at any time, so the low end counts only those that have not begun.
                low += Math.Min(work, group.Success is null ? group.ToCome * times.Least.Mean : 0) * group.Gpus * Math.Exp(-doubt);
                high += work * group.Gpus * (1 + Math.Min(2 * deviation, MostAbove));
                settled &= times.Likely.Count >= FewestSettled && 4 * deviation <= Pace.SettledWidth;
                stageEnds = Math.Max(stageEnds, end);
            }
            foreach (var group in stage)
            {
                if (!group.Follows && TimesOf(group, typical) is not null)
                    continue;
                // A driver, for example, runs as long as the pieces that end the workload.
                if (stageEnds == 0)
                    return null;
                var work = stageEnds * group.Slots * group.Gpus;
                (likely, high) = (likely + work, high + work);
            }
            ends += stageEnds;
            if (first is not null)
                break;
        }
        var time = Seconds(likely / gpus);
        return new(Seconds(low / gpus), time, Seconds(high / gpus), source, settled, Detail(groups))
        {
            IsSample = true,
            LastWave = Seconds(ends) > time ? Seconds(ends) - time : TimeSpan.Zero,
        };
    }

    /// <summary>Returns the facts after the pieces in flight were stopped and must start again.</summary>
    public static JobFacts Stopped(JobFacts job) =>
        job.Pieces.Count == 0 ? job : job with { Pieces = [.. job.Pieces.Select(group => group with { InFlight = [] })] };

    private static (PieceTimes Likely, PieceTimes Least)? TimesOf(Pieces group, TimeSpan? typical) =>
        group.Finished.Count > 0 ? PieceTimes.From(group.Finished, group.InFlight)
        : typical is { } time ? PieceTimes.From([time], group.InFlight)
        : null;

    /// <summary>Returns the total seconds of the remaining pieces, and the seconds until the last of them ends.</summary>
    private static (double Work, double End) Remaining(Pieces group, PieceTimes times)
    {
        var slots = group.Slots;
        if (slots == 0)
            return (0, 0);
        var retries = group.Ended > 0 ? group.Retried.TotalSeconds / group.Ended : 0;
        var mean = times.Mean + retries;
        var left = group.InFlight.Select(age => times.Left(age.TotalSeconds)).Order().ToArray();
        var work = left.Sum() + group.ToCome * mean;
        var end = End(left, group.ToCome, slots, mean);
        if (group.Success is not { } success)
            return (work, end);

        var early =
            success.Needed <= 0 ? 0
            : success.ToCome is { } toCome ? End(left, Math.Min(toCome, group.ToCome), slots, mean)
            // At the rate of successes so far. Before the first success, at the rate of ended pieces.
            : success.Succeeded > 0 && Worked(group) / slots is var worked and > 0 ? success.Needed * worked / success.Succeeded
            : success.Needed <= left.Length ? left[success.Needed - 1]
            : End(left, success.Needed - left.Length, slots, mean);
        return early < end ? (Math.Min(work, early * slots), early) : (work, end);
    }

    /// <summary>
    /// Returns the standard deviation of the remaining seconds: that of the mean, from the pieces seen, plus that of the pieces themselves.
    /// </summary>
    private static double Deviation(Pieces group, PieceTimes times)
    {
        var left = group.InFlight.Select(age => times.Left(age.TotalSeconds)).ToArray();
        var work = left.Sum() + group.ToCome * times.Mean;
        var pieces = group.Left * times.Mean * times.Mean + left.Sum(seconds => seconds * seconds);
        return times.Spread * Math.Sqrt(work * work / times.Count + pieces);
    }

    private static double Worked(Pieces group) =>
        group.Finished.Concat(group.InFlight).Sum(time => time.TotalSeconds) + group.Retried.TotalSeconds;

    /// <summary>Returns the end of the last piece if each free slot takes the next one.</summary>
    private static double End(double[] left, int toCome, int slots, double mean)
    {
        var (waves, rest) = Math.DivRem(toCome, slots);
        var idle = slots - left.Length;
        double Free(int slot) => slot < idle ? 0 : left[slot - idle];
        return waves * mean + Math.Max(Free(slots - 1), rest > 0 ? Free(rest - 1) + mean : 0);
    }

    private static string Detail(Pieces[] groups) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{groups.Sum(group => (long)group.Ended)} of {groups.Sum(group => (long)group.Total)} completions"
        );

    private static TimeSpan Seconds(double seconds) =>
        TimeSpan.FromMilliseconds(Math.Clamp(Math.Round(seconds * 1000), 0, TimeSpan.FromDays(3650).TotalMilliseconds));
}
