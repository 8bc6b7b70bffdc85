namespace Bursar.Agent;

/// <summary>
/// Lets a host in the same process know what the agent has under way, so that simulated time waits for it. A real agent has
/// none. Long polls are not under way while they wait: an answer to a poll that names a stream in the header
/// <see cref="Header"/> is told by <see cref="Sent"/> instead, and whoever handles it says so on its own side.
/// </summary>
public interface IAgentActivity
{
    public const string Header = "Bursar-Activity";

    void Begin();

    void End();

    /// <summary>An answer is about to be written to the poll of this stream.</summary>
    void Sent(Guid stream);
}
