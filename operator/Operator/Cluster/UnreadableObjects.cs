using System.Collections.Concurrent;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Publishes an Event on each object with an unreadable field, and on each budget that cannot suspend a workload because of it. Once per
/// object and reason. Thread-safe.
/// </summary>
internal sealed class UnreadableObjects(ClusterStores stores, EventRecorder recorder)
{
    private const int MostNamed = 3;
    private const int Remembered = 4096;

    private readonly ConcurrentDictionary<(string Uid, string Related), string> _reported = new();

    /// <summary>Returns the number of unreadable objects by kind, for every watched kind.</summary>
    public IEnumerable<(string Kind, int Count)> Counts() =>
        // A kind may be watched in two versions.
        stores
            .All.GroupBy(cache => cache.Kind.Kind, StringComparer.Ordinal)
            .Select(caches => (caches.Key, caches.Sum(cache => cache.Unreadable.Count)));

    public void Start()
    {
        foreach (var cache in stores.All)
        {
            cache.UnreadableSeen += Report;
            foreach (var obj in cache.Unreadable)
                Report(obj);
        }
    }

    /// <summary>Reports the unreadable workloads of a budget's decision.</summary>
    public void Report(IKubernetesObject budget, BudgetDecision decision)
    {
        foreach (var verdict in decision.Workloads)
        {
            if (
                verdict.Reason != Reasons.NotSuspendable
                || stores.CacheOf(verdict.Key.Kind)?.Get(verdict.Key.Namespace, verdict.Key.Name, verdict.Key.Uid)
                    is not { Unreadable: { } why } work
            )
                continue;
            var workload = new V1ObjectReference
            {
                ApiVersion = work.Kind.Entity.ApiVersion,
                Kind = work.Kind.Entity.Kind,
                Namespace = work.Namespace,
                Name = work.Metadata.Name,
                Uid = work.Metadata.Uid,
            };
            Publish(
                V1ObjectReference.To(budget),
                workload,
                $"{work.Kind.Name}/{work.Metadata.Name} cannot be suspended: {why}. Correct the field; until then its cost counts and nothing stops it."
            );
        }
    }

    private void Report(IKubernetesObject obj)
    {
        var fields = obj.Metadata.MistypedFields.Where(field => !field.IsConverted).ToArray();
        var more = fields.Length > MostNamed ? $" and {fields.Length - MostNamed} more" : "";
        Publish(
            V1ObjectReference.To(obj),
            null,
            $"Bursar reads this {obj.Kind} as if it had no {string.Join("; no ", fields.Take(MostNamed).Select(field => $"{field.Path} ({field.Found}, not {field.Expected})"))}{more}."
        );
    }

    private void Publish(V1ObjectReference regarding, V1ObjectReference? related, string note)
    {
        // After a clear, a repeated Event only increases the count of the existing one.
        if (_reported.Count >= Remembered)
            _reported.Clear();
        var key = (regarding.Uid ?? "", related?.Uid ?? "");
        if (_reported.TryGetValue(key, out var known) && known == note)
            return;
        _reported[key] = note;
        recorder.Publish(
            new()
            {
                Regarding = regarding,
                Related = related,
                Type = KubeEvent.Warning,
                Reason = Reasons.Unreadable,
                Action = "Read",
                Note = note,
                Key = $"{related?.Uid}/{note}",
            }
        );
    }
}
