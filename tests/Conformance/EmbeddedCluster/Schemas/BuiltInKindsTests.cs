using Bursar.Sandbox.Schemas;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Schemas;

public sealed class BuiltInKindsTests
{
    [Theory]
    [InlineData("pods", "v1", "Pod", true)]
    [InlineData("jobs.batch", "batch/v1", "Job", true)]
    [InlineData("deployments.apps", "apps/v1", "Deployment", true)]
    [InlineData("events", "v1", "Event", true)]
    [InlineData("events.events.k8s.io", "events.k8s.io/v1", "Event", true)]
    [InlineData("nodes", "v1", "Node", false)]
    [InlineData("customresourcedefinitions.apiextensions.k8s.io", "apiextensions.k8s.io/v1", "CustomResourceDefinition", false)]
    public void Serves(string resource, string apiVersion, string kind, bool namespaced)
    {
        var info = BuiltInKinds.All.Single(k => k.Resource == resource);
        (info.ApiVersion, info.Kind, info.Namespaced).Should().Be((apiVersion, kind, namespaced));
    }

    [Theory]
    [InlineData("Pod", "spec.containers", "name", "name")]
    [InlineData("Pod", "spec.containers.ports", "containerPort", "containerPort,protocol")]
    [InlineData("Pod", "spec.containers.env", "name", "name")]
    [InlineData("Pod", "spec.containers.volumeMounts", "mountPath", "mountPath")]
    [InlineData("Pod", "spec.volumes", "name", "name")]
    [InlineData("Pod", "spec.imagePullSecrets", "name", "name")]
    [InlineData("Pod", "spec.hostAliases", "ip", "ip")]
    [InlineData("Pod", "spec.topologySpreadConstraints", "topologyKey", "topologyKey,whenUnsatisfiable")]
    [InlineData("Pod", "spec.tolerations", null, "")]
    [InlineData("Pod", "status.conditions", "type", "type")]
    [InlineData("Pod", "metadata.ownerReferences", "uid", "uid")]
    [InlineData("Service", "spec.ports", "port", "port,protocol")]
    [InlineData("Node", "spec.taints", null, "")]
    public void List_has_its_keys(string kind, string path, string? mergeKey, string mapKeys)
    {
        var type = Walk(kind, path);
        type.PatchMergeKey.Should().Be(mergeKey);
        type.ListMapKeys.Should().Equal(mapKeys.Split(',', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Finalizers_merge_as_a_set()
    {
        var type = Walk("Pod", "metadata.finalizers");
        (type.List, type.PatchMergesScalars).Should().Be((ListKind.Set, true));
    }

    [Fact]
    public void Selectors_and_references_are_atomic()
    {
        Walk("Deployment", "spec.selector").AtomicStructure.Should().BeTrue();
        Walk("Pod", "spec.nodeSelector").AtomicStructure.Should().BeTrue();
        Walk("Pod", "metadata.labels").AtomicStructure.Should().BeFalse();
    }

    [Fact]
    public void Deployments_strategy_and_volumes_retain_only_the_keys_of_a_patch()
    {
        Field("Deployment", "spec.strategy").PatchRetainsKeys.Should().BeTrue();
        Field("Pod", "spec.volumes").PatchRetainsKeys.Should().BeTrue();
        Field("Pod", "spec.containers").PatchRetainsKeys.Should().BeFalse();
    }

    [Fact]
    public void Schema_of_JSON_schemas_refers_to_itself()
    {
        var schema = Walk("CustomResourceDefinition", "spec.versions.schema.openAPIV3Schema");
        schema.Properties["properties"].Type.Items.Should().BeSameAs(schema);
    }

    [Fact]
    public void Every_object_has_apiVersion_kind_and_metadata()
    {
        foreach (var kind in BuiltInKinds.All)
        {
            kind.Schema.Properties.Keys.Should().Contain(["apiVersion", "kind", "metadata"], kind.Resource);
            kind.Schema.Properties["metadata"].Type.Should().BeSameAs(BuiltInTypes.ObjectMeta);
        }
    }

    [Fact]
    public void No_two_fields_of_a_message_share_a_number()
    {
        var seen = new HashSet<TypeSchema>();
        foreach (var kind in BuiltInKinds.All.Concat(BuiltInKinds.Reviews))
        {
            Check(kind.Schema);
        }

        void Check(TypeSchema type)
        {
            if (!seen.Add(type))
            {
                return;
            }

            type.Properties.Values.Where(f => f.ProtobufNumber > 0)
                .GroupBy(f => (f.ProtobufInlineNumber, f.ProtobufNumber))
                .Where(g => g.Count() > 1)
                .Should()
                .BeEmpty(type.Name);
            foreach (var field in type.Properties.Values)
            {
                Check(field.Type);
            }

            if (type.Items is not null)
            {
                Check(type.Items);
            }
        }
    }

    [Theory]
    [InlineData("apps/v1", "DeleteOptions")]
    [InlineData("v1", "DeleteOptions")]
    [InlineData("authentication.k8s.io/v1", "TokenRequest")]
    [InlineData("authorization.k8s.io/v1", "SelfSubjectAccessReview")]
    [InlineData("autoscaling/v1", "Scale")]
    [InlineData("policy/v1", "Eviction")]
    public void Types_that_are_no_stored_kind_are_known_too(string apiVersion, string kind) =>
        BuiltInTypes.For(apiVersion, kind).Should().NotBeNull();

    private static TypeSchema Walk(string kind, string path) => Field(kind, path).Type;

    private static FieldSchema Field(string kind, string path)
    {
        var type = BuiltInKinds.All.First(k => k.Kind == kind).Schema;
        FieldSchema? field = null;
        foreach (var name in path.Split('.'))
        {
            field = (type.Items ?? type).Properties[name];
            type = field.Type;
        }

        return field!;
    }
}
