using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The adapter of a workload kind: the field that suspends it, and the conversion of its objects to <see cref="WorkloadObject"/>. It has no
/// state. The comment of each adapter says how its controller treats a pod that ends during a suspension. CONTRIBUTING.md describes how to
/// add one.
/// </summary>
internal abstract class WorkloadKind(EntityKind entity, WorkloadClass @class, string field)
{
    /// <summary>The field of kinds that are scaled to zero. Written only through the scale subresource.</summary>
    public const string ReplicasField = "/spec/replicas";

    public const string SuspendField = "/spec/suspend";

    public EntityKind Entity { get; } = entity;

    /// <summary>
    /// The name in ledger keys, options and messages. If another supported kind has the same bare name, the adapter overrides it with <see
    /// cref="EntityKind.Qualified"/>. The ledger stores it, so it must never change.
    /// </summary>
    public virtual string Name => Entity.Kind;

    /// <summary>The class without an annotation.</summary>
    public WorkloadClass Class { get; } = @class;

    /// <summary>JSON pointer of the field that suspends it.</summary>
    public string Field { get; } = field;

    public bool Scales => Field == ReplicasField;

    /// <summary>Whether it runs until it is stopped, so that a resume restores a replica count.</summary>
    public virtual bool Serves => Scales;

    /// <summary>Whether its objects have a suspend field, so that they can be created suspended.</summary>
    public bool Suspends => Field.EndsWith("/suspend", StringComparison.Ordinal);

    /// <summary>The field's value while it is suspended, as JSON.</summary>
    public virtual string Stopped => Scales ? "0" : "true";

    /// <summary>Returns the value that suspends an object, as JSON. It differs from <see cref="Stopped"/> only if any value does.</summary>
    /// <param name="work">The object as cached; null if it is not.</param>
    /// <param name="at">The time of the suspension.</param>
    public virtual string StopValue(WorkloadObject? work, DateTimeOffset at) => Stopped;

    /// <summary>
    /// A label of its pods, if its objects create other objects; otherwise null. A pod with the label waits until its chain of owners is
    /// cached.
    /// </summary>
    public virtual string? PodLabel => null;

    /// <summary>The loss by a suspension besides pods and their unsaved state, as a sentence for users; null if there is none.</summary>
    public virtual string? WhatIsLost => null;

    /// <summary>False for kinds that exist in every cluster.</summary>
    public virtual bool IsOptional => true;

    /// <summary>The permission that suspending and resuming needs, as text.</summary>
    public string Right => $"get and patch {Entity.Plural}.{Entity.Group}{(Scales ? "/scale" : "")}";

    public ObjectRef ObjectOf(string name, string uid) => new(Entity.ApiVersion, Entity.Kind, name, uid);

    public bool IsServed(ClusterStores stores) => stores.CacheOf(Name)!.IsServed;

    /// <summary>Adds what is only in other objects, such as pods that the object itself does not define.</summary>
    public virtual WorkloadObject Complete(WorkloadObject work, ClusterStores stores) => work;

    /// <summary>Returns the pods that can run at the same time. Called after the requests of the pod sets are known.</summary>
    public virtual IReadOnlyList<PodSet> AtOnce(WorkloadObject work) => work.PodSets;

    /// <summary>Parses an object that is not in the cluster yet.</summary>
    public abstract WorkloadObject Parse(JsonElement json);

    internal abstract KindCache Open(KubeClient client, ClusterStores stores);

    /// <summary>Lists the objects of all namespaces; empty if the cluster does not have the kind.</summary>
    public abstract Task<IReadOnlyList<WorkloadObject>> ListAsync(KubeClient client, CancellationToken cancellationToken);

    public abstract Task<WorkloadObject?> GetAsync(KubeClient client, string ns, string name, CancellationToken cancellationToken);

    /// <summary>Returns the workload with pod sets from other objects. The part of its own that they replace may be unreadable.</summary>
    protected WorkloadObject WithPods(WorkloadObject work, IReadOnlyList<PodSet> sets, string part)
    {
        var known = work with { PodSets = sets, Unreadable = null };
        return known with { Unreadable = UnreadableWorkloads.WhyNot(known, Field, part) };
    }

    /// <summary>Returns when a condition became true; null if it is not.</summary>
    protected static DateTimeOffset? Since(IReadOnlyList<V1Condition> conditions, string type) =>
        conditions.FirstOrDefault(condition => condition.Type == type && condition.Status == "True")?.LastTransitionTime;

    protected static string Json(bool? value) =>
        value switch
        {
            null => "null",
            true => "true",
            false => "false",
        };
}

internal abstract class WorkloadKind<T>(WorkloadClass @class, string field) : WorkloadKind(T.EntityKind, @class, field)
    where T : class, IKubernetesEntity<T>
{
    /// <summary>Converts an object, without reading any other.</summary>
    public abstract WorkloadObject Read(T obj);

    /// <summary>Converts an object and reports an unreadable field that its suspension depends on, so that it is not suspended.</summary>
    internal WorkloadObject ReadKnown(T obj)
    {
        var work = Read(obj);
        return UnreadableWorkloads.WhyNot(work, Field) is { } why ? work with { Unreadable = why } : work;
    }

    public sealed override WorkloadObject Parse(JsonElement json) =>
        ReadKnown(KubeJson.Read<T>(System.Runtime.InteropServices.JsonMarshal.GetRawUtf8Value(json)));

    internal sealed override KindCache Open(KubeClient client, ClusterStores stores) => new KindCache<T>(this, client, stores);

    public sealed override async Task<IReadOnlyList<WorkloadObject>> ListAsync(KubeClient client, CancellationToken cancellationToken)
    {
        try
        {
            return [.. (await client.ListAsync<T>(new() { Limit = 500 }, cancellationToken)).Items.Select(ReadKnown)];
        }
        catch (ApiException missing) when (missing.IsNotFound)
        {
            return [];
        }
    }

    public sealed override async Task<WorkloadObject?> GetAsync(
        KubeClient client,
        string ns,
        string name,
        CancellationToken cancellationToken
    ) => await client.GetOrNullAsync<T>(name, ns, cancellationToken) is { } obj ? ReadKnown(obj) : null;
}
