using System.Text.Json.Nodes;
using Bursar.Sandbox.OpenApi;
using Bursar.Sandbox.Schemas;

namespace Bursar.Tests.Conformance.EmbeddedCluster.OpenApi;

public sealed class OpenApiDocumentsTests
{
    private readonly OpenApiDocuments _documents = new();

    [Fact]
    public void Index_names_each_group_version_with_the_hash_of_its_document()
    {
        var index = _documents.Index(BuiltInKinds.All)["paths"]!.AsObject();
        index.Select(p => p.Key).Should().Contain(["api/v1", "apis/apps/v1", "apis/batch/v1"]);
        foreach (var (path, entry) in index)
        {
            var document = _documents.Document(BuiltInKinds.All, path)!;
            entry!["serverRelativeURL"]!.GetValue<string>().Should().Be($"/openapi/v3/{path}?hash={document.Hash}");
        }
    }

    [Fact]
    public void Every_reference_leads_to_a_component()
    {
        foreach (var (path, _) in _documents.Index(BuiltInKinds.All)["paths"]!.AsObject())
        {
            var document = Read(BuiltInKinds.All, path);
            var names = document["components"]!["schemas"]!.AsObject().Select(s => "#/components/schemas/" + s.Key).ToHashSet();
            References(document).Except(names).Should().BeEmpty(path);
        }
    }

    [Fact]
    public void Apply_finds_its_parameters_and_patch_forms()
    {
        var patch = Read(BuiltInKinds.All, "apis/apps/v1")["paths"]!["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]!["patch"]!;
        patch["x-kubernetes-group-version-kind"]!.ToJsonString().Should().Be("""{"group":"apps","version":"v1","kind":"Deployment"}""");
        patch["parameters"]!.AsArray().Select(p => p!["name"]!.GetValue<string>()).Should().Contain(["dryRun", "fieldValidation"]);
        patch["requestBody"]!["content"]!.AsObject().Select(c => c.Key).Should().Contain("application/strategic-merge-patch+json");
    }

    [Fact]
    public void Components_carry_merge_keys_and_kinds()
    {
        var schemas = Read(BuiltInKinds.All, "api/v1")["components"]!["schemas"]!;
        schemas["io.k8s.api.core.v1.Pod"]!["x-kubernetes-group-version-kind"]!
            .ToJsonString()
            .Should()
            .Be("""[{"group":"","version":"v1","kind":"Pod"}]""");
        var properties = schemas["io.k8s.api.core.v1.PodSpec"]!["properties"]!;
        properties["containers"]!["x-kubernetes-patch-merge-key"]!.GetValue<string>().Should().Be("name");
        properties["containers"]!["x-kubernetes-list-map-keys"]!.ToJsonString().Should().Be("""["name"]""");
        properties["volumes"]!["x-kubernetes-patch-strategy"]!.GetValue<string>().Should().Be("merge,retainKeys");
        properties["containers"]!["items"]!["$ref"]!.GetValue<string>().Should().Be("#/components/schemas/io.k8s.api.core.v1.Container");
    }

    [Fact]
    public void Custom_kind_has_its_schema_and_no_strategic_merge()
    {
        var kind = Custom("first");
        var document = Read([kind], "apis/demo.example.com/v1");
        var schema = document["components"]!["schemas"]!["com.example.demo.v1.Widget"]!;
        schema["properties"]!["spec"]!["properties"]!["n"]!
            .ToJsonString()
            .Should()
            .Be("""{"description":"first","type":"integer","minimum":1}""");
        schema["x-kubernetes-group-version-kind"]!.ToJsonString().Should().Contain("Widget");
        document["paths"]!["/apis/demo.example.com/v1/namespaces/{namespace}/widgets/{name}"]!["patch"]!["requestBody"]!["content"]!
            .AsObject()
            .Select(c => c.Key)
            .Should()
            .NotContain("application/strategic-merge-patch+json");
    }

    [Fact]
    public void Changed_kind_changes_its_hash_only()
    {
        var before = Hashes([.. BuiltInKinds.All, Custom("first")]);
        var after = Hashes([.. BuiltInKinds.All, Custom("second")]);
        after.Where(p => before[p.Key] != p.Value).Select(p => p.Key).Should().Equal("apis/demo.example.com/v1");
    }

    [Fact]
    public void Unserved_group_version_has_no_document() => _documents.Document(BuiltInKinds.All, "apis/nothing/v1").Should().BeNull();

    private Dictionary<string, string> Hashes(IReadOnlyList<KindInfo> kinds) =>
        _documents.Index(kinds)["paths"]!.AsObject().ToDictionary(p => p.Key, p => p.Value!["serverRelativeURL"]!.GetValue<string>());

    private JsonNode Read(IReadOnlyList<KindInfo> kinds, string path) => JsonNode.Parse(_documents.Document(kinds, path)!.Json)!;

    private static IEnumerable<string> References(JsonNode? node) =>
        node switch
        {
            JsonObject source => source.SelectMany(p =>
                p.Key == "$ref" && p.Value is JsonValue value ? [value.GetValue<string>()] : References(p.Value)
            ),
            JsonArray list => list.SelectMany(References),
            _ => [],
        };

    private static KindInfo Custom(string description)
    {
        var errors = new List<string>();
        var kind = CustomKinds
            .FromCrd(
                JsonNode
                    .Parse(
                        """
                        {"metadata":{"name":"widgets.demo.example.com"},"spec":{"group":"demo.example.com","scope":"Namespaced",
                         "names":{"plural":"widgets","kind":"Widget"},"versions":[{"name":"v1","served":true,"storage":true,
                         "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{
                           "n":{"type":"integer","minimum":1,"description":"DESCRIPTION"}}}}}}}]}}
                        """.Replace("DESCRIPTION", description, StringComparison.Ordinal)
                    )!
                    .AsObject(),
                errors
            )
            .Single();
        errors.Should().BeEmpty();
        return kind;
    }
}
