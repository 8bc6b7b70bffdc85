using System.Collections.Concurrent;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Reports annotations that have no effect, as an Event, once per value: on the workload, or on the CronJob of a run, because each run has the
/// annotations of the jobTemplate. Called for every change of an object. Thread-safe.
/// </summary>
internal sealed class AnnotationEvents(EventRecorder recorder, ClusterGpus gpus)
{
    /// <summary>Problems that were reported and still exist, by UID; for a CronJob all that were reported of its runs.</summary>
    private readonly ConcurrentDictionary<string, AnnotationProblem[]> _reported = new(StringComparer.Ordinal);

    /// <summary>Checks a workload. Parts of another workload are skipped, because its annotations are reported there.</summary>
    public void Observe(WorkloadObject work)
    {
        if (!work.HasGpus || work.IsPart)
            return;
        var owner = work.Metadata.ControllerReference() is { Kind: "CronJob" } cronJob ? cronJob : null;
        Report(
            new()
            {
                ApiVersion = owner?.ApiVersion ?? work.Kind.Entity.ApiVersion,
                Kind = owner?.Kind ?? work.Kind.Entity.Kind,
                Namespace = work.Namespace,
                Name = owner?.Name ?? work.Metadata.Name,
                Uid = owner?.Uid ?? work.Metadata.Uid,
            },
            AnnotationRules.Problems(
                work.Metadata,
                work.Inherited,
                work.PodSets.Select(set => set.Template),
                work.OwnTemplate,
                PodWorkload.IsClassReadFromTemplate(work.Kind.Name)
            ),
            isShared: owner is not null
        );
    }

    /// <summary>Checks a pod with GPUs that has no controller and is a workload by itself.</summary>
    public void Observe(V1Pod pod)
    {
        if (pod.Metadata.ControllerReference() is null && gpus.OfPod(pod).IsAny)
            Report(V1ObjectReference.To(pod), AnnotationRules.Problems(pod.Metadata, [], []));
    }

    public void Forget(string uid) => _reported.TryRemove(uid, out _);

    private void Report(V1ObjectReference regarding, IEnumerable<AnnotationProblem> found, bool isShared = false)
    {
        var problems = found.ToArray();
        var before = _reported.GetValueOrDefault(regarding.Uid!, []);
        var news = problems.Except(before).ToArray();
        // Another run may still have what this one does not have any more.
        var known = isShared ? [.. before, .. news] : problems;
        if (known.Length > 0)
            _reported[regarding.Uid!] = known;
        else if (before.Length > 0)
            Forget(regarding.Uid!);
        foreach (var problem in news)
            recorder.Publish(
                new()
                {
                    Regarding = regarding,
                    Type = KubeEvent.Warning,
                    Reason = Reasons.AnnotationIgnored,
                    Action = "Read",
                    Note = problem.Message,
                    Key = $"{problem.Name}={problem.Value}",
                }
            );
    }
}
