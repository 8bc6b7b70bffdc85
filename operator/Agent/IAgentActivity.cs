namespace Bursar.Agent;

/// <summary>
/// Lets a host in the same process know what the agent has under way, so that simulated time waits for it. A real agent has
/// none. Who asks is under way itself: a poll that names its question in the header <see cref="Header"/> is told when it
/// begins to wait for news and when it goes on.
/// </summary>
public interface IAgentActivity
{
    public const string Header = "Bursar-Activity";

    void Begin();

    void End();

    /// <summary>The question waits for news from here on.</summary>
    void HoldBack(Guid question);

    /// <summary>It is about to be answered. Told by whoever brings the news, before that one's own activity ends.</summary>
    void GoOn(Guid question);
}
