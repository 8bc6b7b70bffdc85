using Bursar.Agent;
using Bursar.Kube.Http;

namespace Bursar.Sandbox.Nodes;

/// <summary>Lets virtual time wait for what the simulated agents do.</summary>
internal sealed class AgentActivity(ActivityTracker tracker) : IAgentActivity
{
    public void Begin() => tracker.Begin();

    public void End() => tracker.End();

    public void Sent(Guid stream) => tracker.Sent(stream);
}
