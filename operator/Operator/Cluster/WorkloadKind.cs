using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The adapter of one kind of work: which field stops it, and how an object of it reads in the one shape. It holds no state;
/// CONTRIBUTING.md says how to add one. Each says in its comment what its controller makes of a pod that ends while the object is
/// being suspended.
/// </summary>
internal abstract class WorkloadKind(EntityKind entity, WorkloadClass @class, string field)
{
    /// <summary>The field of kinds that are stopped by a count, written only through the scale subresource.</summary>
    public const string ReplicasField = "/spec/replicas";

    public const string SuspendField = "/spec/suspend";

    public EntityKind Entity { get; } = entity;

    /// <summary>
    /// The name of the kind in ledger keys, options and messages. A kind whose bare name is taken by another of the table overrides it with
    /// <see cref="EntityKind.Qualified"/>. The ledger stores it, so it never changes.
    /// </summary>
    public virtual string Name => Entity.Kind;

    /// <summary>What it is used for where its owner says nothing.</summary>
    public WorkloadClass Class { get; } = @class;

    /// <summary>JSON pointer of the field that stops it.</summary>
    public string Field { get; } = field;

    public bool Scales => Field == ReplicasField;

    /// <summary>It runs until it is stopped, and what it comes back with is a count.</summary>
    public virtual bool Serves => Scales;

    /// <summary>Its objects have a switch of their own that stops them, and may be made with it set.</summary>
    public bool Suspends => Field.EndsWith("/suspend", StringComparison.Ordinal);

    /// <summary>The field's value when it is stopped, as JSON.</summary>
    public virtual string Stopped => Scales ? "0" : "true";

    /// <summary>
    /// The label that its pods carry, where its objects are made of other objects: a pod with it waits for its chain of owners.
    /// </summary>
    public virtual string? PodLabel => null;

    /// <summary>
    /// What stopping it takes beyond its pods and what they have not saved, as a sentence for people; null where it takes nothing else.
    /// </summary>
    public virtual string? WhatIsLost => null;

    /// <summary>False for kinds that every cluster has.</summary>
    public virtual bool IsOptional => true;

    /// <summary>The right that suspension and giving back needs, in words.</summary>
    public string Right => $"get and patch {Entity.Plural}.{Entity.Group}{(Scales ? "/scale" : "")}";

    /// <summary>A reference to an object of the kind.</summary>
    public ObjectRef ObjectOf(string name, string uid) => new(Entity.ApiVersion, Entity.Kind, name, uid);

    public bool IsServed(ClusterStores stores) => stores.Of(Name)!.IsServed;

    /// <summary>What stands in other objects: the pods of a kind whose own object does not say them all.</summary>
    public virtual WorkloadObject Complete(WorkloadObject work, ClusterStores stores) => work;

    /// <summary>The pods that can run at the same time. Asked when it is known what each of the pod sets requests.</summary>
    public virtual IReadOnlyList<PodSet> AtOnce(WorkloadObject work) => work.PodSets;

    /// <summary>Of an object that is not in the cluster yet.</summary>
    public abstract WorkloadObject Parse(JsonElement json);

    /// <summary>A cache of the kind's objects.</summary>
    internal abstract KindCache Open(KubeClient client, ClusterStores stores);

    /// <summary>Of all namespaces; none where the cluster has no such kind.</summary>
    public abstract Task<IReadOnlyList<WorkloadObject>> ListAsync(KubeClient client, CancellationToken cancellationToken);

    public abstract Task<WorkloadObject?> GetAsync(KubeClient client, string ns, string name, CancellationToken cancellationToken);

    /// <summary>The work with the pods that other objects say in place of one part of its own, which then need not be readable.</summary>
    protected WorkloadObject WithPods(WorkloadObject work, IReadOnlyList<PodSet> sets, string part)
    {
        var known = work with { PodSets = sets, Unreadable = null };
        return known with { Unreadable = UnreadableWorkloads.WhyNot(known, Field, part) };
    }

    /// <summary>When a condition came to hold; null where it does not.</summary>
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

/// <summary>An adapter over the kind's typed object.</summary>
internal abstract class WorkloadKind<T>(WorkloadClass @class, string field) : WorkloadKind(T.EntityKind, @class, field)
    where T : class, IKubernetesEntity<T>
{
    /// <summary>Pure: the object alone.</summary>
    public abstract WorkloadObject Read(T obj);

    /// <summary>
    /// The same, and what could not be read of it: where a field is unreadable that suspending it depends on, it is not suspended.
    /// </summary>
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
