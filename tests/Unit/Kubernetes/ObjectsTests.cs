using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Conditions;
using Bursar.Kubernetes.Objects;

namespace Bursar.Tests.Unit.Kubernetes;

public class ObjectsTests
{
    private const string Pod = """
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"a","uid":"u","resourceVersion":"7","creationTimestamp":"2026-01-02T03:04:05Z",
          "labels":{"team":"nlp","esc\"aped":"ä"},"annotations":{"bursar.dev/progress":"1/2","autoscaling.keda.sh/paused":"true","kueue.x-k8s.io/queue-name":"q","other.dev/bulky":"x","notbursar.dev/x":"y"},
          "managedFields":[{"fieldsV1":{"f:metadata":{}}}],"ownerReferences":[{"apiVersion":"batch/v1","kind":"Job","name":"j","uid":"ju","controller":true,"blockOwnerDeletion":true}],"finalizers":["f"]},
         "spec":{"nodeName":"n","volumes":[{"name":"v","emptyDir":{}}],"containers":[{"name":"main","image":"i","resources":{"limits":{"nvidia.com/gpu":"2"},"requests":{"nvidia.com/gpu":"2"}},"ports":[{"name":"http","containerPort":8000}]}],
           "initContainers":[{"name":"side","restartPolicy":"Always","resources":{"requests":{"cpu":1}}}],"terminationGracePeriodSeconds":0,"priorityClassName":"high","priority":-5,
           "resourceClaims":[{"name":"gpus","resourceClaimTemplateName":"t"}],"schedulingGates":[{"name":"g"}],"tolerations":null,"nodeSelector":{"k":"v"}},
         "status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}],"startTime":"2026-01-02T03:04:06Z","qosClass":"Burstable",
           "conditions":[{"type":"PodScheduled","status":"True","reason":"R","lastTransitionTime":"2026-01-02T03:04:06Z","message":"long"},{"type":"ContainersReady","status":"True"}],
           "containerStatuses":[{"name":"main","ready":true,"restartCount":3,"state":{"running":{"startedAt":"2026-01-02T03:04:07Z"}},"lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled","startedAt":"2026-01-02T03:04:01Z","finishedAt":"2026-01-02T03:04:02Z"}}}],
           "initContainerStatuses":[{"name":"side","state":{"terminated":{"exitCode":0,"finishedAt":"2026-01-02T03:04:09Z"}}}]}}
        """;

    [Fact]
    public void Pod_is_deserialized_with_the_fields_in_use()
    {
        V1Pod pod = JsonSerializer.Deserialize(Pod, V1Pod.JsonTypeInfo)!;
        pod.Metadata.Labels.Should().BeEquivalentTo(new Dictionary<string, string> { ["team"] = "nlp", ["esc\"aped"] = "ä" });
        pod.Metadata.Annotations.Keys.Should()
            .BeEquivalentTo("bursar.dev/progress", "autoscaling.keda.sh/paused", "kueue.x-k8s.io/queue-name");
        pod.Metadata.CreationTimestamp.Should().Be(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        pod.Metadata.ControllerReference()!.Uid.Should().Be("ju");
        pod.Spec.Containers.Single().Resources.Limits["nvidia.com/gpu"].Should().Be("2");
        pod.Spec.Containers.Single().Ports.Single().Should().Be(new V1ContainerPort { Name = "http", ContainerPort = 8000 });
        pod.Spec.InitContainers.Single().RestartPolicy.Should().Be("Always");
        pod.Spec.InitContainers.Single().Resources.Requests["cpu"].Should().Be("1");
        (pod.Spec.TerminationGracePeriodSeconds, pod.Spec.Priority, pod.Spec.PriorityClassName).Should().Be((0L, -5, "high"));
        pod.Status.PodIPs.Should().Equal("10.0.0.1", "fd00::1");
        pod.Status.Condition("PodScheduled")!.LastTransitionTime.Should().Be(new DateTimeOffset(2026, 1, 2, 3, 4, 6, TimeSpan.Zero));
        pod.Status.Conditions.Should().ContainSingle("other types are not kept");
        // The termination before the last start is not the end of the container.
        pod.Status.ContainerStatuses.Single()
            .Should()
            .Be(new V1ContainerStatus { Name = "main", StartedAt = new DateTimeOffset(2026, 1, 2, 3, 4, 7, TimeSpan.Zero) });
        pod.Status.InitContainerStatuses.Single().State.Terminated!.FinishedAt!.Value.Second.Should().Be(9);
    }

    [Fact]
    public void Pod_round_trips()
    {
        V1Pod pod = JsonSerializer.Deserialize(Pod, V1Pod.JsonTypeInfo)!;
        string once = JsonSerializer.Serialize(pod, V1Pod.JsonTypeInfo);
        string twice = JsonSerializer.Serialize(JsonSerializer.Deserialize(once, V1Pod.JsonTypeInfo)!, V1Pod.JsonTypeInfo);
        twice.Should().Be(once);
        JsonNode written = JsonNode.Parse(once)!;
        written["metadata"]!["creationTimestamp"]!.GetValue<string>().Should().Be("2026-01-02T03:04:05Z");
        written["spec"]!["terminationGracePeriodSeconds"]!.GetValue<int>().Should().Be(0);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"metadata":null,"spec":null,"status":null}""")]
    [InlineData(
        """{"metadata":{"labels":null,"ownerReferences":null,"creationTimestamp":null},"spec":{"containers":null},"status":{"conditions":null}}"""
    )]
    [InlineData(
        """{"metadata":{"labels":[1],"name":5,"creationTimestamp":"soon"},"spec":{"containers":{"a":1},"priority":"x"},"status":[]}"""
    )]
    public void Odd_shapes_read_as_absent(string json)
    {
        V1Pod pod = JsonSerializer.Deserialize(json, V1Pod.JsonTypeInfo)!;
        (
            pod.Metadata.Name,
            pod.Metadata.Labels.Count,
            pod.Spec.Containers.Count,
            pod.Status.Conditions.Count,
            pod.Metadata.CreationTimestamp
        )
            .Should()
            .Be(("", 0, 0, 0, null));
    }

    [Fact]
    public void Absent_lists_and_parts_of_generated_kinds_are_empty_and_not_written()
    {
        V1Job job = JsonSerializer.Deserialize("""{"metadata":{"name":"j"},"status":{"conditions":null}}""", V1Job.JsonTypeInfo)!;
        job.Status.Conditions.Should().BeEmpty();
        job.Spec.Template.Spec.Containers.Should().BeEmpty();
        JsonSerializer
            .Serialize(new V1Job { Metadata = new V1ObjectMeta { Name = "j" } }, V1Job.JsonTypeInfo)
            .Should()
            .Be("""{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"}}""");
    }

    [Fact]
    public void Micro_times_have_six_digits_and_times_none()
    {
        DateTimeOffset time = new(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(1));
        JsonSerializer
            .Serialize(new V1Lease { Spec = new V1LeaseSpec { RenewTime = time } }, V1Lease.JsonTypeInfo)
            .Should()
            .Contain("\"renewTime\":\"2026-01-02T02:04:05.000000Z\"");
        JsonSerializer
            .Serialize(new V1Job { Status = new V1JobStatus { StartTime = time.AddMilliseconds(7) } }, V1Job.JsonTypeInfo)
            .Should()
            .Contain("\"startTime\":\"2026-01-02T02:04:05Z\"");
    }

    [Fact]
    public void Equal_texts_and_resources_are_shared()
    {
        V1Pod one = JsonSerializer.Deserialize(Pod, V1Pod.JsonTypeInfo)!,
            two = JsonSerializer.Deserialize(Pod, V1Pod.JsonTypeInfo)!;
        one.Spec.NodeName.Should().BeSameAs(two.Spec.NodeName);
        one.Spec.Containers[0].Resources.Should().BeSameAs(two.Spec.Containers[0].Resources);
        one.Spec.Containers[0].Resources.Limits.Should().BeSameAs(one.Spec.Containers[0].Resources.Requests);
        one.Metadata.Labels.Should().BeSameAs(two.Metadata.Labels);
        one.Metadata.OwnerReferences.Should().BeSameAs(two.Metadata.OwnerReferences);
        one.Spec.Containers.Should().BeSameAs(two.Spec.Containers);
        one.Status.InitContainerStatuses.Should().BeSameAs(two.Status.InitContainerStatuses);
        StringPool.Get(Encoding.UTF8.GetBytes(new string('x', 500))).Should().HaveLength(500);
        StringPool.Get("ü"u8).Should().Be("ü");
    }

    [Fact]
    public void Text_pool_returns_equal_texts()
    {
        for (int i = 0; i < 100_000; i++)
        {
            string text = $"text-{i * 7919 % 50_000}";
            if (StringPool.Get(Encoding.UTF8.GetBytes(text)) != text)
                Assert.Fail(text);
        }
    }

    [Fact]
    public void Pods_that_differ_in_one_part_share_the_others_and_never_that_part()
    {
        V1Pod Read(Action<JsonNode> change)
        {
            JsonNode json = JsonNode.Parse(Pod)!;
            change(json);
            return JsonSerializer.Deserialize(json, V1Pod.JsonTypeInfo)!;
        }

        V1Pod one = Read(static _ => { });
        Read(static pod => pod["spec"]!["hostNetwork"] = true).Spec.HostNetwork.Should().BeTrue();
        Read(static pod => pod["spec"]!["priority"] = 9).Spec.Priority.Should().Be(9);
        Read(static pod => pod["spec"]!["containers"]![0]!["ports"]![0]!["containerPort"] = 9)
            .Spec.Containers[0]
            .Ports[0]
            .ContainerPort.Should()
            .Be(9);
        Read(static pod => pod["metadata"]!["labels"]!["team"] = "cv").Metadata.Labels["team"].Should().Be("cv");
        Read(static pod => pod["status"]!["conditions"]![0]!["status"] = "False")
            .Status.Condition("PodScheduled")!
            .Status.Should()
            .Be("False");
        V1Pod elsewhere = Read(static pod => pod["spec"]!["nodeName"] = "m");
        elsewhere.Spec.NodeName.Should().Be("m");
        elsewhere.Spec.Containers.Should().BeSameAs(one.Spec.Containers);
        (one.Spec with { HostNetwork = true }).Should().NotBe(one.Spec);
        Read(static _ => { }).Spec.HostNetwork.Should().BeFalse("the change was to a copy");
    }

    [Theory]
    [InlineData("In", "a,b", true, false, false)]
    [InlineData("NotIn", "a", false, true, true)]
    [InlineData("Exists", "", true, true, false)]
    [InlineData("DoesNotExist", "", false, false, true)]
    [InlineData("Nonsense", "", false, false, false)]
    public void Selectors_match_as_the_servers_do(string op, string values, bool a, bool c, bool none)
    {
        V1LabelSelector selector = new()
        {
            MatchExpressions =
            [
                new V1LabelSelectorRequirement
                {
                    Key = "k",
                    Operator = op,
                    Values = values.Split(','),
                },
            ],
        };
        selector.Matches(new Dictionary<string, string> { ["k"] = "a" }).Should().Be(a);
        selector.Matches(new Dictionary<string, string> { ["k"] = "c" }).Should().Be(c);
        selector.Matches(StringMap.Empty).Should().Be(none);
        new V1LabelSelector().Matches(StringMap.Empty).Should().BeTrue();
    }

    [Fact]
    public void Conditions_time_moves_with_its_status_alone()
    {
        DateTimeOffset now = new(2026, 1, 1, 0, 0, 0, 500, TimeSpan.Zero);
        IReadOnlyList<V1Condition> first = Conditions.Set(
            [],
            new V1Condition
            {
                Type = "Ready",
                Status = "True",
                Reason = "A",
            },
            now
        );
        IReadOnlyList<V1Condition> reworded = Conditions.Set(
            first,
            new V1Condition
            {
                Type = "Ready",
                Status = "True",
                Reason = "B",
            },
            now.AddMinutes(1)
        );
        IReadOnlyList<V1Condition> same = Conditions.Set(
            reworded,
            new V1Condition
            {
                Type = "Ready",
                Status = "True",
                Reason = "B",
            },
            now.AddMinutes(2)
        );
        IReadOnlyList<V1Condition> turned = Conditions.Set(
            same,
            new V1Condition
            {
                Type = "Ready",
                Status = "False",
                Reason = "C",
            },
            now.AddMinutes(3)
        );
        first[0].LastTransitionTime.Should().Be(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        (reworded[0].Reason, reworded[0].LastTransitionTime).Should().Be(("B", first[0].LastTransitionTime));
        same.Should().BeSameAs(reworded);
        turned[0].LastTransitionTime.Should().Be(new DateTimeOffset(2026, 1, 1, 0, 3, 0, TimeSpan.Zero));
        Conditions.IsTrue(first, "Ready").Should().BeTrue();
        Conditions.Remove(first, "Ready").Should().BeEmpty();
    }
}
