using System.Text.Json.Nodes;
using Bursar.Operator.Cluster;

namespace Bursar.Tests.Unit.Operator.Cluster;

public sealed class FieldOwnerTests
{
    private static readonly JsonNode Job = JsonNode.Parse(
        """
        {"metadata": {"managedFields": [
          {"manager": "kube-controller-manager", "time": "2026-11-02T08:05:00Z", "subresource": "status", "fieldsV1": {"f:status": {"f:active": {}}}},
          {"manager": "bursar", "time": "2026-11-02T08:04:00Z", "fieldsV1": {"f:metadata": {"f:annotations": {"f:bursar.dev/suspended-by": {}}}}},
          {"manager": "helm", "time": "2026-11-02T08:00:00Z", "fieldsV1": {"f:spec": {"f:suspend": {}, "f:runPolicy": {"f:suspend": {}}}}},
          {"manager": "kueue", "time": "2026-11-02T08:03:00Z", "fieldsV1": {"f:spec": {"f:suspend": {}}, "f:metadata": {"f:annotations": {"f:autoscaling.keda.sh/paused-replicas": {}}}}}
        ]}}
        """
    )!;

    [Theory]
    [InlineData("/spec/suspend", "kueue")]
    [InlineData("/spec/runPolicy/suspend", "helm")]
    [InlineData("/metadata/annotations/autoscaling.keda.sh~1paused-replicas", "kueue")]
    [InlineData("/spec/replicas", null)]
    [InlineData("/metadata/annotations/bursar.dev~1suspended-by", null)]
    public void Last_writer_of_a_field_is_returned_unless_it_is_Bursar(string field, string? manager) =>
        FieldOwner.LastOf(Job, field).Should().Be(manager);

    [Theory]
    [InlineData("2026-11-02T08:00:00Z", "/spec/runPolicy/suspend", true)]
    [InlineData("2026-11-02T07:59:59Z", "/spec/runPolicy/suspend", false)]
    [InlineData("2026-11-02T08:00:00Z", "/spec/suspend", false)]
    [InlineData("2026-11-02T08:00:00Z", "/spec/replicas", false)]
    public void Field_is_as_created_without_a_later_write(string created, string field, bool expected)
    {
        var job = Job.DeepClone();
        job["metadata"]!["creationTimestamp"] = created;
        FieldOwner.IsAsCreated(job, field).Should().Be(expected);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"metadata": {"managedFields": [{}]}}""")]
    [InlineData("""{"metadata": {"managedFields": "x"}}""")]
    public void Unreadable_managed_fields_give_no_writer(string json) =>
        FieldOwner.LastOf(JsonNode.Parse(json), "/spec/suspend").Should().BeNull();
}
