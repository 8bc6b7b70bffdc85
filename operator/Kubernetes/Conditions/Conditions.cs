using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Conditions;

/// <summary>Reads and updates lists of conditions by the Kubernetes API conventions.</summary>
public static class Conditions
{
    /// <summary>
    /// Returns the list with this condition in it. lastTransitionTime changes only with the status. A condition keeps its place in the
    /// list, and a new one is appended. If nothing changes, the same list is returned, so that callers can compare references.
    /// </summary>
    public static IReadOnlyList<V1Condition> Set(IReadOnlyList<V1Condition> conditions, V1Condition condition, DateTimeOffset now)
    {
        int at = IndexOf(conditions, condition.Type);
        V1Condition? former = at < 0 ? null : conditions[at];
        // JSON has whole seconds. A finer time would not equal itself after a round trip.
        DateTimeOffset second = new(now.UtcTicks - (now.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);
        V1Condition made = condition with
        {
            LastTransitionTime = former is not null && former.Status == condition.Status ? former.LastTransitionTime ?? second : second,
        };
        if (former == made)
            return conditions;
        V1Condition[] all = at < 0 ? [.. conditions, made] : [.. conditions];
        if (at >= 0)
            all[at] = made;
        return all;
    }

    /// <summary>Returns the list without a condition; the same list if the condition is not in it.</summary>
    public static IReadOnlyList<V1Condition> Remove(IReadOnlyList<V1Condition> conditions, string type)
    {
        int at = IndexOf(conditions, type);
        return at < 0 ? conditions : [.. conditions.Take(at), .. conditions.Skip(at + 1)];
    }

    public static V1Condition? Find(IReadOnlyList<V1Condition> conditions, string type)
    {
        int at = IndexOf(conditions, type);
        return at < 0 ? null : conditions[at];
    }

    public static bool IsTrue(IReadOnlyList<V1Condition> conditions, string type) => Find(conditions, type)?.Status == "True";

    private static int IndexOf(IReadOnlyList<V1Condition> conditions, string type)
    {
        for (int i = 0; i < conditions.Count; i++)
            if (string.Equals(conditions[i].Type, type, StringComparison.Ordinal))
                return i;
        return -1;
    }
}
