using System.Globalization;

namespace Bursar.Core.Forecast;

/// <summary>
/// Estimates the remaining time of a training job from the best available source. Example: 100 steps of 90 ms measured, 30,000 in total,
/// gives 2,691 s for the remaining 29,900 steps and 2,700 s for the whole run.
/// </summary>
public static class Estimator
{
    private const int FewestRuns = 3;
    private const string DurationUnknown = "set bursar.dev/expected-duration or report progress";
    private static readonly TimeSpan SettledTime = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan LeastOverrun = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LeastSilence = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LeastStall = TimeSpan.FromMinutes(5);

    /// <summary>Estimates the time until a running job is done.</summary>
    public static Estimate Remaining(JobFacts job, DateTimeOffset now) =>
        CapByDeadline(
            BestProgress(job, now)
                ?? FromReported(job, now)
                ?? FromPieces(job)
                ?? FromDeclaration(job, now)
                ?? FromSeries(job, now)
                ?? FromGpuTime(job)
                ?? Estimate.Unknown(WhyUnknown(job, now)) with
                {
                    Stale = IsStalled(job, now),
                },
            job,
            now
        );

    /// <summary>
    /// Estimates the time that a suspended job needs after a resume, from its last checkpoint or else from the beginning.
    /// </summary>
    public static Estimate AfterResume(JobFacts job)
    {
        job = PieceForecast.Stopped(job);
        var estimate =
            TotalSteps(job) is { } total && AtPace(job, total - Math.Clamp(job.CheckpointStep ?? 0, 0, total)) is { } atPace
                ? atPace
                : FromPieces(job)
                    ?? (
                        job.DeclaredDuration is { } declared ? DeclaredPieces(job, declared) ?? Declared(declared)
                        : FromEarlierRuns(job, TimeSpan.Zero, job.CheckpointStep) is { } fromSeries
                            ? SeriesPieces(job, fromSeries) ?? fromSeries
                        : FromGpuTime(job) ?? Estimate.Unknown(job.Unreadable ?? DurationUnknown)
                    );
        // Kubernetes restarts the deadline with each resume.
        return job.ActiveDeadline is { } deadline ? Cap(estimate, deadline) : estimate;
    }

    /// <summary>Returns the likely time per step. Null: progress does not show it.</summary>
    public static double? SecondsPerStep(ProgressSeries progress) => PaceOf(progress, 1)?.Likely;

    /// <summary>
    /// Whether progress has stalled for longer than max(10 × step time, 5 min). The estimate then has no duration and is marked stale, because a forecast would
    /// count a hang as work.
    /// </summary>
    public static bool IsStalled(JobFacts job, DateTimeOffset now)
    {
        if (job.Progress.Last is not { } last || job.RunningSince is not { } since)
            return false;
        var patience = PaceOf(job.Progress, 1) is { } pace
            ? TimeSpan.FromTicks(Math.Max((long)(pace.Likely * 10 * TimeSpan.TicksPerSecond), LeastStall.Ticks))
            : LeastStall;
        return now - (last.At > since ? last.At : since) > patience;
    }

    /// <summary>
    /// Prefers the trainer's estimate, the declared duration while it lasts, and agreeing earlier runs to progress that is not settled.
    /// </summary>
    private static Estimate? BestProgress(JobFacts job, DateTimeOffset now) =>
        FromProgress(job, now) is { } progress
            ? progress.Settled
                ? progress
                : FromReported(job, now)
                    ?? FromDeclaration(job, now)
                    ?? (FromSeries(job, now) is { Settled: true } series ? series : progress)
            : null;

    private static Estimate? FromProgress(JobFacts job, DateTimeOffset now)
    {
        if (job.Progress.Last is not { } last || TotalSteps(job) is not { } total || IsStalled(job, now))
            return null;
        // A report from before the present run belongs to an earlier one. This run started at its checkpoint, or at zero.
        var begun = job.RunningSince is { } run && run <= last.At ? last.Step : Math.Clamp(job.CheckpointStep ?? 0, 0, total);
        if (AtPace(job, Math.Max(0, total - begun)) is not { } estimate)
            return null;
        // The time worked since the report is part of the remaining steps.
        var since = job.RunningSince is not { } start ? TimeSpan.Zero : now - (last.At > start ? last.At : start);
        return estimate with
        {
            Low = SubtractOrZero(estimate.Low, since),
            Likely = SubtractOrZero(estimate.Likely, since),
            High = SubtractOrZero(estimate.High, since),
        };
    }

    /// <summary>
    /// The trainer's own estimate, less the time since. If it reports only percent, the rest is assumed to go like the run so far. Null for
    /// reports from an earlier run and for a trainer that has long been silent.
    /// </summary>
    private static Estimate? FromReported(JobFacts job, DateTimeOffset now)
    {
        if (job.Reported is not { } report || job.RunningSince is not { } since || report.At <= since)
            return null;
        var worked = report.At - since;
        var silence = now - report.At;
        if (silence > (worked / 4 > LeastSilence ? worked / 4 : LeastSilence))
            return null;
        if (report.Remaining is { } left)
            return new(
                SubtractOrZero(left * 0.9, silence),
                SubtractOrZero(left, silence),
                SubtractOrZero(left * 1.1, silence),
                EstimateSource.Reported,
                worked >= SettledTime,
                "reported by its trainer"
            );
        if (report.Percent is not (> 0 and <= 100))
            return null;
        // Percent are whole numbers, so up to one more may be done.
        var percent = report.Percent.Value;
        TimeSpan Rest(double done) => worked * (Math.Max(0, 100 - done) / done);
        var (low, likely, high) = (Rest(percent + 1), Rest(percent + 0.5), Rest(percent));
        return new(
            SubtractOrZero(low, silence),
            SubtractOrZero(likely, silence),
            SubtractOrZero(high, silence),
            EstimateSource.Reported,
            worked >= SettledTime && high - low <= Pace.SettledWidth * likely,
            $"{percent} % by its trainer"
        );
    }

    /// <summary>Estimates from ended pieces, which predict the remaining ones better than any later source.</summary>
    private static Estimate? FromPieces(JobFacts job) => PieceForecast.From(job, EstimateSource.Completions);

    /// <summary>
    /// Estimates from the workload's total GPU time if the pods of ended pieces are gone and there is no other source. The pieces are
    /// assumed to have run in equal waves. The parallelism may have been different, so the low end is zero and no job is suspended because
    /// of it.
    /// </summary>
    private static Estimate? FromGpuTime(JobFacts job) =>
        PieceForecast.From(
            job with
            {
                Pieces =
                [
                    .. job.Pieces.Select(group =>
                        group is { Ended: > 0, AtOnce: > 0, GpuTime: { } held }
                            ? group with
                            {
                                Finished = Enumerable
                                    .Repeat(Min(held, held * ((double)group.AtOnce / group.Ended)), Math.Max(1, group.Ended / group.AtOnce))
                                    .ToArray(),
                            }
                            : group
                    ),
                ],
            },
            EstimateSource.Completions
        )
            is { } estimate
            ? estimate with
            {
                Low = TimeSpan.Zero,
            }
            : null;

    /// <summary>Estimates from the declared duration of all pieces together and the number of remaining pieces.</summary>
    private static Estimate? DeclaredPieces(JobFacts job, TimeSpan declared) =>
        PieceForecast.From(job, EstimateSource.Declared, declared) is { } pieces
            ? Declared(pieces.Likely) with
            {
                LastWave = pieces.LastWave,
            }
            : null;

    /// <summary>Estimates in the same way from the duration of earlier runs.</summary>
    private static Estimate? SeriesPieces(JobFacts job, Estimate whole) =>
        PieceForecast.From(job, EstimateSource.Series, whole.Likely) is { } pieces
        && whole.Likely > TimeSpan.Zero
        && pieces.Likely / whole.Likely is var share
            ? whole with
            {
                Low = whole.Low * share,
                Likely = whole.Likely * share,
                High = whole.High * share,
                LastWave = pieces.LastWave,
            }
            : null;

    private static Estimate? FromDeclaration(JobFacts job, DateTimeOffset now)
    {
        if (job.DeclaredDuration is not { } declared)
            return null;
        if (DeclaredPieces(job, declared) is { } pieces)
            return pieces;
        var left = job.RunningSince is { } since ? declared - (now - since) : declared;
        if (left <= TimeSpan.Zero)
            left += Overrun(declared);
        return left > TimeSpan.Zero ? Declared(left) : null;
    }

    /// <summary>
    /// Returns how much longer than declared a job may run before its duration counts as unknown. Starting and ending take seconds, and a
    /// job that is a second late would otherwise be projected to the end of the window.
    /// </summary>
    private static TimeSpan Overrun(TimeSpan declared) => declared / 20 > LeastOverrun ? declared / 20 : LeastOverrun;

    /// <summary>Stalled progress is not what earlier runs did, so their durations do not apply to it.</summary>
    private static Estimate? FromSeries(JobFacts job, DateTimeOffset now) =>
        IsStalled(job, now) ? null
        : job.Pieces.Any(group => group.IsSweep)
        && FromEarlierRuns(job, TimeSpan.Zero, job.CheckpointStep) is { } whole
        && SeriesPieces(job, whole) is { } pieces
            ? pieces
        : FromEarlierRuns(job, job.RunningSince is { } since ? now - since : TimeSpan.Zero, job.CheckpointStep);

    /// <summary>
    /// Estimates from earlier runs of the series, per step if this run has steps too. Runs that were shorter than the present one do not
    /// count; if all were, there is no estimate. The ends are the shortest and the longest run. One or two runs show no spread, so their
    /// ends are assumed to be off by half.
    /// </summary>
    private static Estimate? FromEarlierRuns(JobFacts job, TimeSpan worked, long? checkpoint)
    {
        if (job.EarlierRuns.Count == 0)
            return null;
        var total = TotalSteps(job);
        var bySteps = total is not null && job.EarlierRuns.Any(run => run.Steps > 0);
        var left = job
            .EarlierRuns.Where(run => !bySteps || run.Steps > 0)
            .Select(run =>
                bySteps
                    ? run.Duration * ((double)(total!.Value - Math.Clamp(checkpoint ?? 0, 0, total.Value)) / run.Steps!.Value)
                    : run.Duration
            )
            .Select(whole => whole - worked)
            .Where(rest => rest > TimeSpan.Zero)
            .Order()
            .ToArray();
        if (left.Length == 0)
            return null;
        var likely = left.Length % 2 == 1 ? left[left.Length / 2] : (left[left.Length / 2 - 1] + left[left.Length / 2]) / 2;
        var few = job.EarlierRuns.Count < FewestRuns;
        var (low, high) = few ? (left[0] * 0.5, left[^1] * 1.5) : (left[0], left[^1]);
        return new(
            low,
            likely,
            high,
            EstimateSource.Series,
            !few && (high - low) <= Pace.SettledWidth * likely,
            $"{job.EarlierRuns.Count} earlier run{(job.EarlierRuns.Count == 1 ? "" : "s")} of its series" + (bySteps ? ", by step" : "")
        );
    }

    /// <summary>A declared duration is used as it is: it is the best source, and the user can correct it.</summary>
    private static Estimate Declared(TimeSpan left) => new(left, left, left * 1.25, EstimateSource.Declared, true, "expected-duration");

    private static string WhyUnknown(JobFacts job, DateTimeOffset now) =>
        IsStalled(job, now) ? $"its progress has not moved since {job.Progress.Last!.Value.At.UtcDateTime:HH:mm:ss} UTC"
        : job.DeclaredDuration is not null ? "it has run longer than its expected-duration"
        : job.EarlierRuns.Count > 0 ? "it has run longer than the earlier runs of its series"
        : job.Progress.Last is not null && TotalSteps(job) is null ? "its progress names no total"
        : job.Unreadable ?? DurationUnknown;

    private static long? TotalSteps(JobFacts job) => job.Progress.Points.LastOrDefault(p => p.Total is > 0).Total ?? job.DeclaredSteps;

    /// <summary>What a number of steps takes at the pace that progress has shown; null while it has shown none.</summary>
    private static Estimate? AtPace(JobFacts job, long steps)
    {
        if (PaceOf(job.Progress, steps) is not { } pace)
            return null;
        var detail = $"{Text(pace.Likely)} s per step over {pace.Steps} steps";
        return new(
            Seconds(pace.Low * steps),
            Seconds(pace.Likely * steps),
            Seconds(pace.High * steps),
            EstimateSource.Progress,
            pace.Settled,
            job.ProgressReporter.Length > 0 ? $"{detail}, reported by {job.ProgressReporter}" : detail
        );
    }

    /// <summary>After a restart the previous run is a better source, until this one has settled.</summary>
    private static Pace? PaceOf(ProgressSeries series, long left)
    {
        var present = Pace.From(series.Points, left);
        if (present is { Settled: true } || series.Earlier.Count < 3)
            return present;
        var earlier = Pace.From(series.Earlier, left);
        return earlier is { Settled: true } || series.Points.Count < 3 ? earlier : present;
    }

    private static string Text(double seconds) => seconds.ToString("0.####", CultureInfo.InvariantCulture);

    private static Estimate CapByDeadline(Estimate estimate, JobFacts job, DateTimeOffset now) =>
        job.ActiveDeadline is { } deadline
            ? Cap(estimate, (job.StartedAt ?? job.RunningSince) is { } since ? SubtractOrZero(deadline, now - since) : deadline)
            : estimate;

    private static Estimate Cap(Estimate estimate, TimeSpan left) =>
        !estimate.IsKnown || estimate.High <= left
            ? estimate
            : estimate with
            {
                High = left,
                Likely = Min(estimate.Likely, left),
                Low = Min(estimate.Low, left),
                LastWave = Min(estimate.LastWave, SubtractOrZero(left, estimate.Likely)),
            };

    private static TimeSpan Seconds(double seconds) =>
        TimeSpan.FromMilliseconds(Math.Clamp(Math.Round(seconds * 1000), 0, TimeSpan.FromDays(3650).TotalMilliseconds));

    private static TimeSpan SubtractOrZero(TimeSpan value, TimeSpan by) => value > by ? value - by : TimeSpan.Zero;

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;
}
