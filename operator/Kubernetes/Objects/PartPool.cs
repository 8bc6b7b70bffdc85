namespace Bursar.Kubernetes.Objects;

/// <summary>
/// Shares equal parts of many objects, because the pods of one job differ in little more than names, addresses and times. The size is
/// fixed, with two parts per slot. The newest part evicts the oldest, which costs sharing but not correctness. Thread-safe, because a slot
/// is one reference.
/// </summary>
internal sealed class PartPool<T>(IEqualityComparer<T> comparer, int slots)
    where T : class
{
    private readonly T?[] _slots = new T?[slots];

    public T Share(T part)
    {
        int hash = comparer.GetHashCode(part);
        int at = (hash ^ (hash >>> 15)) & (_slots.Length - 2);
        T? newest = _slots[at];
        if (newest is not null && comparer.Equals(newest, part))
            return newest;
        T? older = _slots[at + 1];
        if (older is not null && comparer.Equals(older, part))
            return older;
        if (newest is not null)
            _slots[at + 1] = newest;
        _slots[at] = part;
        return part;
    }
}

internal sealed class ItemComparer<T> : IEqualityComparer<T[]>
    where T : class
{
    public bool Equals(T[]? one, T[]? other) =>
        ReferenceEquals(one, other) || (one is not null && other is not null && one.AsSpan().SequenceEqual(other));

    public int GetHashCode(T[] items)
    {
        HashCode hash = default;
        foreach (T item in items)
            hash.Add(item);
        return hash.ToHashCode();
    }
}

/// <summary>The pools of repeated parts, sized for some thousand jobs. A slot is one reference.</summary>
internal static class SharedParts
{
    private static readonly PartPool<StringMap> Maps = new(EqualityComparer<StringMap>.Default, 1 << 13);
    private static readonly PartPool<V1OwnerReference[]> Owners = new(new ItemComparer<V1OwnerReference>(), 1 << 13);
    private static readonly PartPool<V1Container[]> Containers = new(new ItemComparer<V1Container>(), 1 << 10);
    private static readonly PartPool<V1ContainerPort[]> Ports = new(new ItemComparer<V1ContainerPort>(), 1 << 10);
    private static readonly PartPool<V1PodCondition[]> Conditions = new(new ItemComparer<V1PodCondition>(), 1 << 12);
    private static readonly PartPool<V1ContainerStatus[]> Statuses = new(new ItemComparer<V1ContainerStatus>(), 1 << 12);
    private static readonly PartPool<V1PodResourceClaim[]> Claims = new(new ItemComparer<V1PodResourceClaim>(), 1 << 10);

    public static StringMap Share(StringMap map) => map.Count == 0 ? StringMap.Empty : Maps.Share(map);

    public static V1OwnerReference[] Share(V1OwnerReference[] owners) => owners.Length == 0 ? [] : Owners.Share(owners);

    public static V1Container[] Share(V1Container[] containers) => containers.Length == 0 ? [] : Containers.Share(containers);

    public static V1ContainerPort[] Share(V1ContainerPort[] ports) => ports.Length == 0 ? [] : Ports.Share(ports);

    public static V1PodResourceClaim[] Share(V1PodResourceClaim[] claims) => claims.Length == 0 ? [] : Claims.Share(claims);

    public static V1PodCondition[] Share(V1PodCondition[] conditions) => conditions.Length == 0 ? [] : Conditions.Share(conditions);

    public static V1ContainerStatus[] Share(V1ContainerStatus[] statuses) => statuses.Length == 0 ? [] : Statuses.Share(statuses);
}
