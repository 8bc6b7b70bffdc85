namespace Bursar.Kubernetes.Objects;

/// <summary>
/// Shares equal resource requirements, because the pods of a cluster have only a few dozen combinations. The size is fixed, as that of the
/// string pool.
/// </summary>
internal static class ResourcePool
{
    private const int Slots = 1 << 9;
    private static readonly V1ResourceRequirements?[] Pool = new V1ResourceRequirements?[Slots];

    public static V1ResourceRequirements Share(StringMap limits, StringMap requests)
    {
        if (limits.Count == 0 && requests.Count == 0)
            return V1ResourceRequirements.Empty;
        ref V1ResourceRequirements? slot = ref Pool[HashCode.Combine(limits, requests) & (Slots - 1)];
        V1ResourceRequirements? known = slot;
        if (known is not null && limits.Equals((StringMap)known.Limits) && requests.Equals((StringMap)known.Requests))
            return known;
        V1ResourceRequirements made = new() { Limits = limits, Requests = limits.Equals(requests) ? limits : requests };
        slot = made;
        return made;
    }
}
