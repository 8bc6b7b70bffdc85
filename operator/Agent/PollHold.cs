namespace Bursar.Agent;

/// <summary>Whom to tell that a question waits; nobody, where nobody counts.</summary>
public readonly record struct PollHold(IAgentActivity? Activity, Guid? Question)
{
    internal void Hold()
    {
        if (Question is { } question)
            Activity?.HoldBack(question);
    }

    internal void GoOn()
    {
        if (Question is { } question)
            Activity?.GoOn(question);
    }
}
