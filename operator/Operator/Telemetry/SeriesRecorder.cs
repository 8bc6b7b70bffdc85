using Bursar.Api;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Notes how long each completed run of a series took. Level-triggered: it may be told of a job any number of times, and after a
/// restart of all that the API still shows again.
/// </summary>
internal sealed class SeriesRecorder(GpuLedger ledger, OperatorState state, ProgressTracker progress)
{
    private const int LongestName = 128;

    /// <summary>
    /// Which series a workload is a run of: its owner's word (<c>bursar.dev/series</c>), else the object that makes it again and again
    /// (a CronJob), else the name it was generated from. Null: none.
    /// </summary>
    /// <remarks>
    /// Not the template: two trainings may share an image, a command and a shape, and differ in what a ConfigMap or a branch holds.
    /// A wrong series is worse than none, since others' jobs would be suspended by it.
    /// </remarks>
    public static string? KeyOf(V1ObjectMeta workload, V1PodTemplateSpec template)
    {
        if (BursarAnnotations.Read(workload, template, BursarAnnotations.Series) is { Length: > 0 } told)
            return Cut("named/" + told);
        if (workload.ControllerReference() is { } owner)
            return owner.IsCronJob ? Cut($"CronJob/{owner.Name}") : null;
        return workload.GenerateName is { Length: > 0 } generated ? Cut("generated/" + generated) : null;
    }

    /// <summary>
    /// The earlier runs of a workload's series. One made of pieces is as long as its pieces take at the parallelism of now, whatever its
    /// own was.
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

    /// <summary>Of any kind that says when it was completed; what is part of another object's run is no run of its own.</summary>
    public void Observe(WorkloadObject work)
    {
        if (work is { HasGpus: true, IsPart: false, SucceededAt: { } ended })
            Completed(work, ended);
    }

    /// <summary>A run that was completed; one that failed or was stopped says nothing of the next.</summary>
    private void Completed(WorkloadObject work, DateTimeOffset endedAt)
    {
        var (workload, template, ns) = (work.Metadata, work.Template, work.Namespace);
        if (KeyOf(workload, template) is not { } key)
            return;
        // What its pods held is the truth. The status must do where the ledger began later than the run; after a stop it tells of the last
        // part alone.
        var held = ledger.HeldTime(ns, workload.Uid, workload.CreationTimestamp ?? endedAt, endedAt) ?? endedAt - work.StartTime;
        if (held is not { } duration || duration <= TimeSpan.Zero)
            return;
        var steps = progress.Series(workload.Uid).Points.LastOrDefault(point => point.Total is > 0).Total
            ?? BursarAnnotations.ReadTotalSteps(workload, template);
        var ofPiece = PieceTime(work, duration);
        state.NoteRun(
            ns,
            key,
            new(workload.Uid, endedAt, (long)(ofPiece ?? duration).TotalMilliseconds, steps, ofPiece is null ? null : true)
        );
    }

    /// <summary>How long one piece took; null where the work is not made of pieces, or the ledger does not know.</summary>
    private TimeSpan? PieceTime(WorkloadObject work, TimeSpan duration)
    {
        if (work.Pieces is not [var only] || work.UnitsOf(only) == 0)
            return null;
        if (only.Total <= only.AtOnce)
            return duration;
        var ended = ledger.EndedPods(work.Namespace, work.Metadata.Uid);
        // Failed attempts are part of a piece's time. The ledger may not have the last pods yet.
        var pieces = Math.Min(ended.Count, only.Jobs.Sum(job => (long)PieceSet.EndedOf(job.Status)));
        return pieces == 0 ? null : ended.Aggregate(TimeSpan.Zero, (sum, pod) => sum + pod.Time) / pieces;
    }

    private static string Cut(string name) => name.Length <= LongestName ? name : name[..LongestName];
}
