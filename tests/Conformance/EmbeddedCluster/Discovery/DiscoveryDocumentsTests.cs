using System.Text.Json.Nodes;
using Bursar.Sandbox.Discovery;
using Bursar.Sandbox.Schemas;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Discovery;

public sealed class DiscoveryDocumentsTests
{
    private static readonly IReadOnlyList<KindInfo> Kinds =
    [
        .. BuiltInKinds.All,
        .. BuiltInKinds.Reviews,
        Custom("v1alpha1"),
        Custom("v1"),
        Custom("v1beta2"),
        Custom("v2"),
    ];

    [Fact]
    public void Core_group_is_aggregated_apart()
    {
        var document = DiscoveryDocuments.AggregatedCore(Kinds);
        (document["kind"]!.GetValue<string>(), document["apiVersion"]!.GetValue<string>())
            .Should()
            .Be(("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2"));
        var pods = Resource(document["items"]!.AsArray().Single()!["versions"]![0]!, "pods");
        pods["responseKind"]!.ToJsonString().Should().Be("""{"group":"","version":"v1","kind":"Pod"}""");
        pods["scope"]!.GetValue<string>().Should().Be("Namespaced");
        pods["shortNames"]!.ToJsonString().Should().Be("""["po"]""");
        pods["categories"]!.ToJsonString().Should().Be("""["all"]""");
        pods["subresources"]!.AsArray().Select(s => s!["subresource"]!.GetValue<string>()).Should().Equal("binding", "eviction", "status");
    }

    [Fact]
    public void Group_names_its_versions_in_the_order_of_preference()
    {
        var group = DiscoveryDocuments.AggregatedGroups(Kinds)["items"]!
            .AsArray()
            .Single(g => g!["metadata"]!["name"]!.GetValue<string>() == "demo.example.com")!;
        group["versions"]!.AsArray().Select(v => v!["version"]!.GetValue<string>()).Should().Equal("v2", "v1", "v1beta2", "v1alpha1");
        DiscoveryDocuments.Group(Kinds, "demo.example.com")!["preferredVersion"]!["version"]!.GetValue<string>().Should().Be("v2");
    }

    [Fact]
    public void Scale_answers_with_a_kind_of_another_group()
    {
        var apps = DiscoveryDocuments.AggregatedGroups(Kinds)["items"]!
            .AsArray()
            .Single(g => g!["metadata"]!["name"]!.GetValue<string>() == "apps")!;
        var scale = Resource(apps["versions"]![0]!, "deployments")["subresources"]!
            .AsArray()
            .Single(s => s!["subresource"]!.GetValue<string>() == "scale")!;
        scale["responseKind"]!.ToJsonString().Should().Be("""{"group":"autoscaling","version":"v1","kind":"Scale"}""");
        scale["verbs"]!.ToJsonString().Should().Be("""["get","patch","update"]""");
    }

    [Fact]
    public void Reviews_can_only_be_created()
    {
        var list = DiscoveryDocuments.Resources(Kinds, "authorization.k8s.io", "v1")!;
        list["groupVersion"]!.GetValue<string>().Should().Be("authorization.k8s.io/v1");
        list["resources"]!.AsArray().Should().OnlyContain(r => r!["verbs"]!.ToJsonString() == """["create"]""");
    }

    [Fact]
    public void Unserved_group_version_has_no_document()
    {
        DiscoveryDocuments.Group(Kinds, "nothing.example.com").Should().BeNull();
        DiscoveryDocuments.Resources(Kinds, "apps", "v7").Should().BeNull();
    }

    [Fact]
    public void Older_clients_find_the_groups_too()
    {
        DiscoveryDocuments.Groups(Kinds)["groups"]!
            .AsArray()
            .Select(g => g!["name"]!.GetValue<string>())
            .Should()
            .Contain(["apps", "batch", "demo.example.com"])
            .And.NotContain("");
        DiscoveryDocuments.CoreVersions("127.0.0.1:1")["versions"]!.ToJsonString().Should().Be("""["v1"]""");
    }

    private static JsonObject Resource(JsonNode version, string name) =>
        version["resources"]!.AsArray().Single(r => r!["resource"]!.GetValue<string>() == name)!.AsObject();

    private static KindInfo Custom(string version) =>
        new()
        {
            Group = "demo.example.com",
            Version = version,
            Kind = "Widget",
            Plural = "widgets",
            Singular = "widget",
            Namespaced = true,
            IsCustom = true,
            Schema = new TypeSchema { Name = $"com.example.demo.{version}.Widget", Type = SchemaType.Object },
        };
}
