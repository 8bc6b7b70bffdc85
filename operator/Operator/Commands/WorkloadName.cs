using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Commands;

/// <summary>
/// A workload's name as kubectl accepts it: <c>job/train</c>, <c>jobs.batch/train</c>, <c>deploy/chat</c>, <c>pod/train-0</c>.
/// </summary>
internal sealed record WorkloadName(string Kind, string Name)
{
    /// <summary>No controller creates a longer chain of owners.</summary>
    private const int LongestChain = 8;

    /// <summary>Kinds that Bursar cannot suspend, or that are between a pod and its workload.</summary>
    private static readonly EntityKind[] Others =
    [
        V1Pod.EntityKind,
        V1ReplicaSet.EntityKind,
        V1DaemonSet.EntityKind,
        V1RayCluster.EntityKind,
    ];

    private static readonly Dictionary<string, string[]> ShortNames = new(StringComparer.Ordinal)
    {
        ["Pod"] = ["po"],
        ["ReplicaSet"] = ["rs"],
        ["DaemonSet"] = ["ds"],
        ["Deployment"] = ["deploy"],
        ["StatefulSet"] = ["sts"],
        ["LeaderWorkerSet"] = ["lws"],
        ["InferenceService"] = ["isvc"],
    };

    /// <summary>The singular names of the kinds, for messages.</summary>
    public static string Known => string.Join(", ", Kinds.Select(kind => kind.Name.ToLowerInvariant()));

    private static IEnumerable<(string Name, EntityKind Entity)> Kinds =>
        WorkloadKinds.All.Select(kind => (kind.Name, kind.Entity)).Concat(Others.Select(entity => (entity.Kind, entity)));

    /// <summary>Returns null if the text names no workload.</summary>
    public static WorkloadName? TryParse(string text)
    {
        foreach (var (kind, entity) in Kinds)
        {
            if (
                ObjectName.TryParse(
                    text,
                    [kind.ToLowerInvariant(), entity.Plural, Resource(entity), .. ShortNames.GetValueOrDefault(kind, [])]
                ) is
                { } name
            )
                return new(kind, name);
        }
        return null;
    }

    private static string Resource(EntityKind entity) => entity.Group.Length > 0 ? $"{entity.Plural}.{entity.Group}" : entity.Plural;

    public override string ToString() => $"{Kind} {Name}";

    /// <summary>
    /// Returns the object and its controllers up to the workload, the last one with its labels. For example, a pod of a JobSet leads to its
    /// Job and the JobSet. Empty if the object does not exist.
    /// </summary>
    public async Task<IReadOnlyList<(WorkloadName Name, IReadOnlyDictionary<string, string> Labels)>> FindAsync(
        KubeClient client,
        string ns,
        CancellationToken cancellationToken
    )
    {
        var chain = new List<(WorkloadName, IReadOnlyDictionary<string, string>)>();
        var at = this;
        while (chain.Count < LongestChain && await at.GetAsync(client, ns, cancellationToken) is var (metadata, labels))
        {
            chain.Add((at, labels));
            if (
                metadata.ControllerReference() is not { } owner
                || Kinds.FirstOrDefault(kind => kind.Entity.Is(owner.ApiVersion, owner.Kind)).Name is not { } kind
            )
                break;
            at = new(kind, owner.Name);
        }
        return chain;
    }

    private async Task<(V1ObjectMeta Metadata, IReadOnlyDictionary<string, string> Labels)?> GetAsync(
        KubeClient client,
        string ns,
        CancellationToken cancellationToken
    )
    {
        var (_, entity) = Kinds.First(one => one.Name == Kind);
        var right = $"get {Resource(entity)} in namespace {ns}";
        if (WorkloadKinds.Find(Kind) is { } kind)
            return await ClusterAccess.WithRightAsync(right, () => kind.GetAsync(client, ns, Name, cancellationToken)) is { } work
                ? (work.Metadata, work.Labels)
                : null;
        return Kind switch
        {
            "Pod" => await ReadAsync<V1Pod>(),
            "ReplicaSet" => await ReadAsync<V1ReplicaSet>(),
            "DaemonSet" => await ReadAsync<V1DaemonSet>(),
            _ => await ReadAsync<V1RayCluster>(),
        };

        async Task<(V1ObjectMeta, IReadOnlyDictionary<string, string>)?> ReadAsync<T>()
            where T : class, IKubernetesEntity<T> =>
            await ClusterAccess.WithRightAsync(right, () => client.GetOrNullAsync<T>(Name, ns, cancellationToken)) is { } obj
                ? (obj.Metadata, obj.Metadata.Labels)
                : null;
    }
}
