using Bursar.Agent;
using Bursar.Kube.Http;

namespace Bursar.Sandbox.Nodes;

/// <summary>Lets virtual time wait for what the simulated agents do.</summary>
internal sealed class AgentActivity(ActivityTracker tracker) : IAgentActivity
{
    public void Begin() => tracker.Begin("agent");

    public void End() => tracker.End("agent");

    public void HoldBack(Guid question) => tracker.HoldBack(question);

    public void GoOn(Guid question) => tracker.GoOn(question);
}
