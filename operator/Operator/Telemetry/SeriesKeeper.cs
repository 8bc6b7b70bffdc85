using Bursar.Api;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Kube.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Notes how long each completed run of a series took. Level-triggered: it may be told of a job any number of times, and after a
/// restart of all that the API still shows again.
/// </summary>
public sealed class SeriesKeeper(GpuLedger ledger, ProgressBoard progress)
{
    private const int LongestName = 128;

    /// <summary>
    /// Which series a workload is a run of: its owner's word (<c>bursar.dev/series</c>), else the object that makes it again and again
    /// (a CronJob), else the name it was generated from. Null: none.
    /// </summary>
    /// <remarks>
    /// Not the template: two trainings may share an image, a command and a shape, and differ in what a ConfigMap or a branch holds.
    /// A wrong series is worse than none, since others' jobs would be parked by it.
    /// </remarks>
    public static string? KeyOf(V1ObjectMeta workload, V1PodTemplateSpec template)
    {
        if (BursarAnnotations.Read(workload, template, BursarAnnotations.Series) is { Length: > 0 } told) return Cut("named/" + told);
        if (workload.ControllerReference() is { } owner) return owner.IsCronJob ? Cut($"CronJob/{owner.Name}") : null;
        return workload.GenerateName is { Length: > 0 } generated ? Cut("generated/" + generated) : null;
    }

    public static IReadOnlyList<EarlierRun> EarlierRuns(GpuLedger ledger, V1ObjectMeta workload, V1PodTemplateSpec template) =>
        KeyOf(workload, template) is not { } key ? []
        : [.. ledger.Runs(workload.Namespace ?? "", key).Where(run => run.Uid != workload.Uid).Select(run => new EarlierRun(TimeSpan.FromMilliseconds(run.DurationMs), run.Steps))];

    /// <summary>Of any kind that says when it was completed; what is part of another object's run is no run of its own.</summary>
    public void Observe(Work work)
    {
        if (work is { HasGpus: true, IsPart: false, SucceededAt: { } ended }) Completed(work.Metadata, work.Template, work.StartTime, ended);
    }

    /// <summary>A run that was completed; one that failed or was stopped says nothing of the next.</summary>
    /// <param name="workload">The workload.</param>
    /// <param name="template">Its pods' template.</param>
    /// <param name="startedAt">The beginning as its own status tells it: after a stop, of the last part alone.</param>
    /// <param name="endedAt">Its end.</param>
    public void Completed(V1ObjectMeta workload, V1PodTemplateSpec template, DateTimeOffset? startedAt, DateTimeOffset endedAt)
    {
        if (KeyOf(workload, template) is not { } key) return;
        var ns = workload.Namespace ?? "";
        // What its pods held is the truth; the status must do where the ledger began later than the run.
        var held = ledger.HeldTime(ns, workload.Uid, workload.CreationTimestamp ?? endedAt, endedAt) ?? endedAt - startedAt;
        if (held is not { } duration || duration <= TimeSpan.Zero) return;
        var steps = progress.Series(workload.Uid).Points.LastOrDefault(point => point.Total is > 0).Total ?? BursarAnnotations.ReadTotalSteps(workload, template);
        ledger.NoteRun(ns, key, new(workload.Uid, endedAt, (long)duration.TotalMilliseconds, steps));
    }

    private static string Cut(string name) => name.Length <= LongestName ? name : name[..LongestName];
}
