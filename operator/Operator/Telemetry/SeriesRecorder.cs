using Bursar.Api;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Records the duration of each completed run of a series. It is level-triggered: a job may be passed any number of times, and all jobs
/// again after a restart.
/// </summary>
internal sealed class SeriesRecorder(GpuLedger ledger, OperatorState state, ProgressTracker progress)
{
    private const int LongestName = 128;

    /// <summary>
    /// Returns the series of a workload: from the annotation <c>bursar.dev/series</c>, otherwise its CronJob, otherwise the generateName.
    /// Null if it belongs to none.
    /// </summary>
    /// <remarks>
    /// The template is not used. Two trainings may share image, command and shape and differ in a ConfigMap or a branch. A wrong series is worse
    /// than none, because it would suspend other users' jobs.
    /// </remarks>
    public static string? KeyOf(V1ObjectMeta workload, V1PodTemplateSpec template)
    {
        if (BursarAnnotations.Read(workload, template, BursarAnnotations.Series) is { Length: > 0 } named)
            return Cut("named/" + named);
        if (workload.ControllerReference() is { } owner)
            return owner.IsCronJob ? Cut($"CronJob/{owner.Name}") : null;
        return workload.GenerateName is { Length: > 0 } generated ? Cut("generated/" + generated) : null;
    }

    /// <summary>
    /// Returns the earlier runs of a workload's series. The duration of a run with pieces is scaled to the current parallelism.
    /// </summary>
    public static IReadOnlyList<EarlierRun> EarlierRuns(
        OperatorState state,
        V1ObjectMeta workload,
        V1PodTemplateSpec template,
        IReadOnlyList<Pieces> pieces
    )
    {
        if (KeyOf(workload, template) is not { } key)
            return [];
        var waves = Pieces.WavesOf(pieces);
        return
        [
            .. state
                .Runs(workload.Namespace ?? "", key)
                .Where(run => run.Uid != workload.Uid)
                .Select(run => new EarlierRun(
                    TimeSpan.FromMilliseconds(run.Piece == true && waves > 0 ? run.DurationMs * waves : run.DurationMs),
                    run.Steps
                )),
        ];
    }

    /// <summary>Records a completed workload of any kind. Parts of another workload are ignored.</summary>
    public void Observe(WorkloadObject work)
    {
        if (work is { HasGpus: true, IsPart: false, SucceededAt: { } ended })
            Completed(work, ended);
    }

    /// <summary>Records a completed run. Failed or stopped runs do not predict the next one.</summary>
    private void Completed(WorkloadObject work, DateTimeOffset endedAt)
    {
        var (workload, template, ns) = (work.Metadata, work.Template, work.Namespace);
        if (KeyOf(workload, template) is not { } key)
            return;
        // Prefer the time for which its pods measured GPUs. The status is used if the ledger started after the run; after a suspension it
        // covers only the last part.
        var measured = ledger.HeldTime(ns, workload.Uid, workload.CreationTimestamp ?? endedAt, endedAt) ?? endedAt - work.StartTime;
        if (measured is not { } duration || duration <= TimeSpan.Zero)
            return;
        var steps = progress.Series(workload.Uid).Points.LastOrDefault(point => point.Total is > 0).Total
            ?? BursarAnnotations.ReadTotalSteps(workload, template);
        var ofPiece = PieceTime(work, duration);
        state.RecordRun(
            ns,
            key,
            new(workload.Uid, endedAt, (long)(ofPiece ?? duration).TotalMilliseconds, steps, ofPiece is null ? null : true)
        );
    }

    /// <summary>Returns the time of one piece; null if the workload has no pieces or the ledger does not know.</summary>
    private TimeSpan? PieceTime(WorkloadObject work, TimeSpan duration)
    {
        if (work.Pieces is not [var only] || work.UnitsOf(only) == 0)
            return null;
        if (only.Total <= only.AtOnce)
            return duration;
        var ended = ledger.EndedPods(work.Namespace, work.Metadata.Uid);
        // Failed attempts are part of a piece's time. The ledger may not contain the last pods yet.
        var pieces = Math.Min(ended.Count, only.Jobs.Sum(job => (long)PieceSet.EndedOf(job.Status)));
        return pieces == 0 ? null : ended.Aggregate(TimeSpan.Zero, (sum, pod) => sum + pod.Time) / pieces;
    }

    private static string Cut(string name) => name.Length <= LongestName ? name : name[..LongestName];
}
