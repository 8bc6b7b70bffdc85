namespace Bursar.Sandbox.Controllers;

/// <summary>Sets conditions; the transition time changes only with the status.</summary>
internal static class ConditionList
{
    public static List<ControllerCondition> Set(
        IReadOnlyList<ControllerCondition> conditions,
        string type,
        string status,
        string reason,
        string message,
        DateTimeOffset now
    )
    {
        var result = conditions.ToList();
        var at = result.FindIndex(condition => condition.Type == type);
        if (at >= 0 && result[at].Status == status && result[at].Reason == reason && result[at].Message == message)
            return result;
        var condition = new ControllerCondition
        {
            Type = type,
            Status = status,
            Reason = reason,
            Message = message,
            LastTransitionTime = at >= 0 && result[at].Status == status ? result[at].LastTransitionTime : now,
        };
        if (at >= 0)
            result[at] = condition;
        else
            result.Add(condition);
        return result;
    }
}
