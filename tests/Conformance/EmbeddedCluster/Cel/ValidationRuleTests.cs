using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Validation;
using Bursar.Sandbox.Values;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Cel;

/// <summary>Differences of the embedded cluster from a real API server. The cases in tests/Conformance hold for both.</summary>
public sealed class ValidationRuleTests
{
    [Fact]
    public void Rule_with_a_function_that_is_not_judged_is_named_and_refuses_nothing()
    {
        var (schema, errors, unsupported) = Read("semver(self.word).major() == 1", "self.word != 'b'");
        errors.Should().BeEmpty();
        unsupported.Should().Equal("spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]: semver()");
        Validate(schema, """{"word": "a"}""").Should().BeEmpty();
        Validate(schema, """{"word": "b"}""")
            .Should()
            .ContainSingle()
            .Which.ToString()
            .Should()
            .Be("spec: Invalid value: failed rule: self.word != 'b'");
    }

    [Fact]
    public void Evaluation_without_end_stops_at_its_step_limit()
    {
        var (schema, _, _) = Read("self.list.all(a, self.list.all(b, self.list.all(c, self.list.all(d, a + b + c + d > 0))))");
        Validate(schema, $$"""{"list": [{{string.Join(", ", Enumerable.Repeat(1, 100))}}]}""")
            .Should()
            .ContainSingle()
            .Which.Detail.Should()
            .StartWith("Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded'");
    }

    [Theory]
    [InlineData("9223372036854775807 + self.num > 0", "integer overflow")]
    [InlineData("-9223372036854775808 - self.num < 0", "integer overflow")]
    [InlineData("int('x') == self.num", "type conversion error from 'string' to 'int'")]
    [InlineData("self.word.matches('[')", "error parsing regexp")]
    [InlineData("{'a': 1, self.word: 2} != {}", "insert failed: key a already exists")]
    [InlineData("self.word.substring(self.num + 4) == ''", "index out of range: 5")]
    public void Evaluation_that_errs_is_refused_with_the_error(string rule, string error)
    {
        var (schema, errors, _) = Read(rule);
        errors.Should().BeEmpty();
        Validate(schema, """{"word": "a", "num": 1}""")
            .Should()
            .ContainSingle()
            .Which.Detail.Should()
            .StartWith($"Invalid value: \"object\": {error}");
    }

    private static List<FieldCause> Validate(TypeSchema schema, string spec) =>
        RuleValidator.Validate(new JsonObject { ["spec"] = JsonNode.Parse(spec) }, before: null, schema, []);

    private static (TypeSchema Schema, List<string> Errors, List<string> NotJudged) Read(params string[] rules)
    {
        var crd = (JsonObject)
            JsonNode.Parse(
                """
                {"metadata": {"name": "things.example.dev"}, "spec": {"group": "example.dev", "scope": "Cluster", "names": {"plural": "things", "kind": "Thing"}, "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-validations": [],
                "properties": {"word": {"type": "string"}, "num": {"type": "integer"}, "list": {"type": "array", "items": {"type": "integer"}}}}}}}}]}}
                """
            )!;
        foreach (var rule in rules)
        {
            crd["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!["properties"]!["spec"]!["x-kubernetes-validations"]!
                .AsArray()
                .Add(new JsonObject { ["rule"] = rule });
        }

        var (errors, unsupported) = (new List<string>(), new List<string>());
        var kinds = CustomKinds.FromCrd(crd, errors, unsupported);
        return (kinds[0].Schema, errors, unsupported);
    }
}
