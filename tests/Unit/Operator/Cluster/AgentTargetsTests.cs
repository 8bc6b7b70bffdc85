using Bursar.Core.Ledger;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Tests.Unit.Operator.Cluster;

public sealed class AgentTargetsTests
{
    [Theory]
    [InlineData(WorkloadClass.Inference, null, null, "http:9000,x:8000", "9000 /metrics serving")]
    [InlineData(WorkloadClass.Inference, null, null, "x:8000", "8000 /metrics serving")]
    [InlineData(WorkloadClass.Inference, null, null, "x:7000", null)]
    [InlineData(WorkloadClass.Inference, null, null, "http:8000,grpc:8001,metrics:8002", "8002 /metrics serving")]
    [InlineData(WorkloadClass.Inference, null, null, "x:8000,y:8001,z:8002", "8002 /metrics serving")]
    [InlineData(WorkloadClass.Inference, null, null, "x:30000", "30000 /metrics serving")]
    [InlineData(WorkloadClass.Inference, "7001", "/stats", "http:9000", "7001 /stats serving")]
    [InlineData(WorkloadClass.Training, null, null, "http:8000", null)]
    [InlineData(WorkloadClass.Training, "7001", null, "", "7001 /metrics progress")]
    [InlineData(WorkloadClass.Training, "7001", "http://elsewhere/", "", "7001 /metrics progress")]
    [InlineData(WorkloadClass.Training, "70010", null, "", null)]
    [InlineData(WorkloadClass.Training, "http", null, "", null)]
    public void Port_and_path_for_scraping_come_from_the_pod(WorkloadClass work, string? port, string? path, string ports, string? expected)
    {
        var annotations = new Dictionary<string, string>();
        if (port is not null)
            annotations[AgentTargets.PortAnnotation] = port;
        if (path is not null)
            annotations[AgentTargets.PathAnnotation] = path;
        var pod = new V1Pod
        {
            Metadata = new() { Name = "p", Annotations = annotations },
            Spec = new()
            {
                Containers =
                [
                    new()
                    {
                        Ports =
                        [
                            .. ports
                                .Split(',', StringSplitOptions.RemoveEmptyEntries)
                                .Select(p => new V1ContainerPort { Name = p.Split(':')[0], ContainerPort = int.Parse(p.Split(':')[1]) }),
                        ],
                    },
                ],
            },
        };

        var target = AgentTargets.Scrape(pod, work);

        (target is null ? null : $"{target.Port} {target.Path} {target.Kind}").Should().Be(expected);
        AgentTargets.Scrape(pod with { Spec = pod.Spec with { HostNetwork = true } }, work).Should().BeNull();
    }

    [Theory]
    [InlineData("prometheus.io/port", "prometheus.io/path")]
    [InlineData("prometheus.kserve.io/port", "prometheus.kserve.io/path")]
    public void Bursar_annotation_precedes_those_of_Prometheus_and_KServe(string port, string path)
    {
        Dictionary<string, string> annotations = new() { [port] = "9100", [path] = "/v1/metrics" };
        V1Pod pod = new()
        {
            Metadata = new() { Name = "p", Annotations = annotations },
            Spec = new() { Containers = [new()] },
        };

        AgentTargets.Scrape(pod, WorkloadClass.Inference).Should().BeEquivalentTo(new { Port = 9100, Path = "/v1/metrics" });
        annotations[AgentTargets.PortAnnotation] = "7000";
        AgentTargets.Scrape(pod, WorkloadClass.Inference).Should().BeEquivalentTo(new { Port = 7000, Path = "/metrics" });
    }

    [Fact]
    public void Revision_changes_with_the_content()
    {
        V1Pod[] pods =
        [
            new()
            {
                Metadata = new()
                {
                    Name = "p",
                    Namespace = "ml",
                    Uid = "u",
                },
                Status = new() { PodIP = "10.0.0.1" },
            },
        ];

        var first = AgentTargets.Create(pods, _ => WorkloadClass.Training);
        var second = AgentTargets.Create([.. pods], _ => WorkloadClass.Training);
        var moved = AgentTargets.Create([pods[0] with { Status = new() { PodIP = "10.0.0.2" } }], _ => WorkloadClass.Training);

        first
            .Pods.Should()
            .ContainSingle()
            .Which.Should()
            .BeEquivalentTo(
                new TargetPod
                {
                    Uid = "u",
                    Namespace = "ml",
                    Name = "p",
                    Ips = ["10.0.0.1"],
                }
            );
        second.Revision.Should().Be(first.Revision).And.NotBeEmpty();
        moved.Revision.Should().NotBe(first.Revision);
    }
}
