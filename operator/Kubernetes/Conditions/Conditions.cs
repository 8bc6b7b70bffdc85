using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Conditions;

/// <summary>Conditions after the Kubernetes conventions.</summary>
public static class Conditions
{
    /// <summary>
    /// The list with this condition in it. lastTransitionTime moves only when the status changes. The place in the list stays, a new
    /// condition goes to the end. When nothing changes, the same list comes back, so that callers can tell.
    /// </summary>
    public static IReadOnlyList<V1Condition> Set(IReadOnlyList<V1Condition> conditions, V1Condition condition, DateTimeOffset now)
    {
        int at = IndexOf(conditions, condition.Type);
        V1Condition? former = at < 0 ? null : conditions[at];
        // JSON keeps whole seconds: a finer time would differ from itself after a round trip.
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

    /// <summary>The list without a condition.</summary>
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
