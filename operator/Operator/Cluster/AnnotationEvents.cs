using System.Collections.Concurrent;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Reports annotations that have no effect as an Event on the workload, once for each value. Called for every change of an object;
/// any thread may call it.
/// </summary>
internal sealed class AnnotationEvents(EventRecorder recorder, ClusterGpus gpus)
{
    /// <summary>By UID: what was reported and still stands there.</summary>
    private readonly ConcurrentDictionary<string, AnnotationProblem[]> _reported = new(StringComparer.Ordinal);

    /// <summary>A part of another workload carries that one's annotations, which are reported there.</summary>
    public void Observe(WorkloadObject work)
    {
        if (work.HasGpus && !work.IsPart)
            Report(
                work.Metadata,
                work.Kind.Entity.ApiVersion,
                work.Kind.Entity.Kind,
                AnnotationRules.Problems(
                    work.Metadata,
                    work.Inherited,
                    work.PodSets.Select(set => set.Template),
                    work.OwnTemplate,
                    PodWorkload.IsClassReadFromTemplate(work.Kind.Name)
                )
            );
    }

    /// <summary>A pod with GPUs that no controller owns is a workload of its own.</summary>
    public void Observe(V1Pod pod)
    {
        if (pod.Metadata.ControllerReference() is null && gpus.OfPod(pod).IsAny)
            Report(pod.Metadata, "v1", "Pod", AnnotationRules.Problems(pod.Metadata, [], []));
    }

    public void Forget(string uid) => _reported.TryRemove(uid, out _);

    private void Report(V1ObjectMeta metadata, string apiVersion, string kind, IEnumerable<AnnotationProblem> found)
    {
        var problems = found.ToArray();
        var before = _reported.GetValueOrDefault(metadata.Uid, []);
        if (problems.Length == 0 && before.Length == 0)
            return;
        if (problems.Length == 0)
            Forget(metadata.Uid);
        else
            _reported[metadata.Uid] = problems;
        foreach (var problem in problems.Except(before))
            recorder.Publish(
                new()
                {
                    Regarding = new()
                    {
                        ApiVersion = apiVersion,
                        Kind = kind,
                        Namespace = metadata.Namespace,
                        Name = metadata.Name,
                        Uid = metadata.Uid,
                    },
                    Type = KubeEvent.Warning,
                    Reason = Reasons.AnnotationIgnored,
                    Action = "Read",
                    Note = problem.Message,
                    Key = $"{problem.Name}={problem.Value}",
                }
            );
    }
}
