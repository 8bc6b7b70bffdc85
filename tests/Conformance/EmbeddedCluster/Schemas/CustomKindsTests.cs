using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Schemas;

public sealed class CustomKindsTests
{
    private const string Path = "spec.versions[0].schema.openAPIV3Schema";

    [Fact]
    public void Definition_yields_names_scope_subresources_and_columns()
    {
        var kind = Read(Crd("""{"type":"object"}"""), out var errors).Single();
        errors.Should().BeEmpty();
        (kind.Resource, kind.ApiVersion, kind.Kind, kind.ListKind, kind.Singular, kind.Namespaced)
            .Should()
            .Be(("widgets.demo.example.com", "demo.example.com/v1", "Widget", "WidgetList", "widget", true));
        kind.ShortNames.Should().Equal("wd");
        (kind.HasStatus, kind.IsCustom, kind.IsStorage).Should().Be((true, true, true));
        kind.Scale.Should().Be(new ScalePaths(".spec.replicas", ".status.replicas", null));
        kind.Columns.Should().Equal(new ColumnInfo("Limit", "string", ".spec.limit", Description: "money", Priority: 1));
        kind.Schema.Name.Should().Be("com.example.demo.v1.Widget");
        kind.Schema.Properties.Keys.Should().Equal("apiVersion", "kind", "metadata");
        kind.Schema.Properties["metadata"].Type.Should().BeSameAs(BuiltInTypes.ObjectMeta);
    }

    [Fact]
    public void Definition_yields_bounds_lists_and_extensions()
    {
        var spec = Read(
                Crd(
                    """
                    {"type":"object","properties":{"spec":{"type":"object","description":"wanted","required":["n"],"properties":{
                      "n":{"type":"integer","minimum":1,"maximum":9,"exclusiveMaximum":true,"default":3,"format":"int32"},
                      "s":{"type":"string","pattern":"^a","minLength":1,"maxLength":5,"nullable":true,"enum":["a","ab"]},
                      "port":{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}]},
                      "labels":{"type":"object","additionalProperties":{"type":"string"},"x-kubernetes-map-type":"atomic","maxProperties":4},
                      "tags":{"type":"array","maxItems":3,"x-kubernetes-list-type":"set","items":{"type":"string"}},
                      "items":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
                               "items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}}},
                      "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
                      "any":{"x-kubernetes-preserve-unknown-fields":true},
                      "template":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}}}}}
                    """
                ),
                out var errors
            )
            .Single()
            .Schema.Properties["spec"]
            .Type;
        errors.Should().BeEmpty();
        spec.Required.Should().Equal("n");
        var n = spec.Properties["n"].Type;
        (n.Type, n.Minimum, n.Maximum, n.ExclusiveMaximum, n.Format, n.Default!.ToJsonString())
            .Should()
            .Be((SchemaType.Integer, 1m, 9m, true, "int32", "3"));
        var s = spec.Properties["s"].Type;
        (s.Pattern, s.MinLength, s.MaxLength, s.Nullable).Should().Be(("^a", 1, 5, true));
        s.Enum!.Select(e => e.GetValue<string>()).Should().Equal("a", "ab");
        spec.Properties["port"].Type.Type.Should().Be(SchemaType.IntOrString);
        var labels = spec.Properties["labels"].Type;
        (labels.Type, labels.Items!.Type, labels.AtomicStructure, labels.MaxProperties)
            .Should()
            .Be((SchemaType.Map, SchemaType.String, true, 4));
        (spec.Properties["tags"].Type.List, spec.Properties["tags"].Type.MaxItems).Should().Be((ListKind.Set, 3));
        spec.Properties["items"].Type.ListMapKeys.Should().Equal("name");
        spec.Properties["free"].Type.PreserveUnknownFields.Should().BeTrue();
        spec.Properties["any"].Type.Type.Should().Be(SchemaType.Any);
        spec.Properties["template"].Type.Properties.Keys.Should().Contain("metadata");
    }

    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{}}}""", ".properties[a].type: Required value")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"text"}}}""", ".properties[a].type: Unsupported value")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array"}}}""", ".properties[a].items: Required value")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array","items":{}}}}""", ".properties[a].items.type: Required value")]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#/x","type":"object"}}}""", ".properties[a].$ref: Forbidden")]
    [InlineData(
        """{"type":"object","properties":{"a":{"type":"array","uniqueItems":true,"items":{"type":"string"}}}}""",
        ".properties[a].uniqueItems: Forbidden"
    )]
    [InlineData(
        """{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"string"}},"additionalProperties":{"type":"string"}}}}""",
        ".properties[a].additionalProperties: Forbidden"
    )]
    [InlineData("""{"type":"object","additionalProperties":false}""", ".additionalProperties: Forbidden")]
    [InlineData(
        """{"type":"object","properties":{"a":{"type":"object","x-kubernetes-list-type":"set"}}}""",
        ".properties[a].type: Invalid value"
    )]
    [InlineData(
        """{"type":"object","properties":{"a":{"type":"array","items":{"type":"object"},"x-kubernetes-list-type":"map"}}}""",
        ".properties[a].x-kubernetes-list-map-keys: Required value"
    )]
    [InlineData(
        """{"type":"object","properties":{"a":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","properties":{"k":{"type":"string"}}}}}}""",
        ".properties[a].items.properties[k].default: Required value"
    )]
    [InlineData(
        """{"type":"object","properties":{"a":{"type":"string","anyOf":[{"type":"string"}]}}}""",
        ".properties[a].anyOf[0].type: Forbidden"
    )]
    [InlineData("""{"type":"object","oneOf":[{"properties":{"a":{"minimum":1}}}]}""", ".oneOf[0].properties[a]: Required value")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"string","pattern":"("}}}""", ".properties[a].pattern: Invalid value")]
    [InlineData("""{"type":"string"}""", ".type: Invalid value")]
    public void Schema_that_is_not_structural_is_rejected(string schema, string expected)
    {
        Read(Crd(schema), out var errors);
        errors.Should().ContainSingle().Which.Should().StartWith(Path + expected);
    }

    [Fact]
    public void Name_that_is_not_plural_and_group_is_rejected()
    {
        var crd = Crd("""{"type":"object"}""");
        crd["metadata"]!["name"] = "gadgets.demo.example.com";
        Read(crd, out var errors);
        errors.Should().ContainSingle().Which.Should().StartWith("metadata.name: Invalid value");
    }

    [Fact]
    public void Column_with_an_unreadable_path_is_rejected()
    {
        var crd = Crd("""{"type":"object"}""");
        crd["spec"]!["versions"]![0]!["additionalPrinterColumns"]![0]!["jsonPath"] = "spec.limit";
        Read(crd, out var errors);
        errors.Should().ContainSingle().Which.Should().StartWith("spec.versions[0].additionalPrinterColumns[0].jsonPath: Invalid value");
    }

    [Fact]
    public void Only_served_versions_are_served_and_one_storage_version_is_required()
    {
        var crd = Crd("""{"type":"object"}""");
        var second = crd["spec"]!["versions"]![0]!.DeepClone();
        second["name"] = "v2";
        second["served"] = false;
        crd["spec"]!["versions"]!.AsArray().Add(second);
        Read(crd, out var errors).Select(k => k.Version).Should().Equal("v1");
        errors.Should().ContainSingle().Which.Should().StartWith("spec.versions: Invalid value: exactly one version");
    }

    private static IReadOnlyList<KindInfo> Read(JsonObject crd, out List<string> errors)
    {
        errors = [];
        return CustomKinds.FromCrd(crd, errors);
    }

    private static JsonObject Crd(string schema) =>
        JsonNode
            .Parse(
                """
                {"metadata":{"name":"widgets.demo.example.com"},
                 "spec":{"group":"demo.example.com","scope":"Namespaced",
                   "names":{"plural":"widgets","kind":"Widget","shortNames":["wd"]},
                   "versions":[{"name":"v1","served":true,"storage":true,
                     "subresources":{"status":{},"scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas"}},
                     "additionalPrinterColumns":[{"name":"Limit","type":"string","jsonPath":".spec.limit","description":"money","priority":1}],
                     "schema":{"openAPIV3Schema":SCHEMA}}]}}
                """.Replace("SCHEMA", schema, StringComparison.Ordinal)
            )!
            .AsObject();
}
