using Bursar.Kubernetes.Objects;
using Bursar.Operator.Telemetry;

namespace Bursar.Tests.Unit.Operator.Telemetry;

public sealed class AgentSelectionTests
{
    [Theory]
    [InlineData("agents", "acme-agent", true)]
    [InlineData("agents", "bursar-agent", false)]
    [InlineData("elsewhere", "acme-agent", false)]
    public void Pod_is_an_agent_by_its_namespace_and_label(string ns, string name, bool isAgent)
    {
        var pod = new V1Pod
        {
            Metadata = new()
            {
                Name = "p",
                Namespace = ns,
                Labels = new Dictionary<string, string> { ["app.kubernetes.io/name"] = name },
            },
        };

        new AgentSelection("agents", "acme-agent").Matches(pod).Should().Be(isAgent);
    }
}
