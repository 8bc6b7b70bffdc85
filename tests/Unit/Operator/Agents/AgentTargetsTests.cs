using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Usage;
using Bursar.Kube.Objects;
using Bursar.Operator.Agents;

namespace Bursar.Tests.Unit.Operator.Agents;

public sealed class AgentTargetsTests
{
    [Theory]
    [InlineData(WorkClass.Inference, null, null, "http:9000,x:8000", "9000 /metrics vllm")]
    [InlineData(WorkClass.Inference, null, null, "x:8000", "8000 /metrics vllm")]
    [InlineData(WorkClass.Inference, null, null, "x:7000", null)]
    [InlineData(WorkClass.Inference, "7001", "/stats", "http:9000", "7001 /stats vllm")]
    [InlineData(WorkClass.Training, null, null, "http:8000", null)]
    [InlineData(WorkClass.Training, "7001", null, "", "7001 /metrics progress")]
    [InlineData(WorkClass.Training, "7001", "http://elsewhere/", "", "7001 /metrics progress")]
    [InlineData(WorkClass.Training, "70010", null, "", null)]
    [InlineData(WorkClass.Training, "http", null, "", null)]
    public void A_port_is_scraped_where_the_pod_names_it(WorkClass work, string? port, string? path, string ports, string? expected)
    {
        var annotations = new Dictionary<string, string>();
        if (port is not null) annotations[AgentTargets.PortAnnotation] = port;
        if (path is not null) annotations[AgentTargets.PathAnnotation] = path;
        var pod = new V1Pod
        {
            Metadata = new() { Name = "p", Annotations = annotations },
            Spec = new()
            {
                Containers = [new() { Ports = [.. ports.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(p => new V1ContainerPort { Name = p.Split(':')[0], ContainerPort = int.Parse(p.Split(':')[1]) })] }],
            },
        };

        var target = AgentTargets.Scrape(pod, work);

        (target is null ? null : $"{target.Port} {target.Path} {target.Kind}").Should().Be(expected);
        AgentTargets.Scrape(pod with { Spec = pod.Spec with { HostNetwork = true } }, work).Should().BeNull();
    }

    [Fact]
    public void The_revision_follows_the_content()
    {
        V1Pod[] pods = [new() { Metadata = new() { Name = "p", Namespace = "ml", Uid = "u" }, Status = new() { PodIP = "10.0.0.1" } }];

        var first = AgentTargets.Of(pods, _ => WorkClass.Training);
        var second = AgentTargets.Of([.. pods], _ => WorkClass.Training);
        var moved = AgentTargets.Of([pods[0] with { Status = new() { PodIP = "10.0.0.2" } }], _ => WorkClass.Training);

        first.Pods.Should().ContainSingle().Which.Should().BeEquivalentTo(new TargetPod { Uid = "u", Namespace = "ml", Name = "p", Ips = ["10.0.0.1"] });
        second.Revision.Should().Be(first.Revision).And.NotBeEmpty();
        moved.Revision.Should().NotBe(first.Revision);
    }
}
