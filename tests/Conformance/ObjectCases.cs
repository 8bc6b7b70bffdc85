using System.Text.Json.Nodes;
using Bursar.Tests.TestKit.ApiServers;

namespace Bursar.Tests.Conformance;

/// <summary>Create, read, update, status, conflicts.</summary>
public sealed class ObjectCases(EveryApiServer servers) : ApiCase(servers)
{
    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Created_object_gets_its_identity(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(ConfigMaps(ns), ConfigMap("one"));
        reply.Code.Should().Be(201);
        var metadata = reply.Body!["metadata"]!;
        ((string?)metadata["uid"]).Should().MatchRegex("^[0-9a-f-]{36}$");
        ((string?)metadata["creationTimestamp"]).Should().MatchRegex("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$");
        long.Parse((string)metadata["resourceVersion"]!).Should().BePositive();
        ((string?)metadata["namespace"]).Should().Be(ns);
        var read = await api.GetAsync($"{ConfigMaps(ns)}/one");
        read.Code.Should().Be(200);
        ((string?)read.Body!["data"]!["a"]).Should().Be("1");
        ((string?)read.Body["kind"]).Should().Be("ConfigMap");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Second_object_of_the_name_is_refused(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Jobs(ns), Job("x"));
        var reply = await api.PostAsync(Jobs(ns), Job("x"));
        reply.Code.Should().Be(409);
        reply.Reason.Should().Be("AlreadyExists");
        reply.Message.Should().Be("jobs.batch \"x\" already exists");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Missing_object_answers_404_with_its_name(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.GetAsync($"{Jobs(ns)}/x");
        reply.Code.Should().Be(404);
        reply.Reason.Should().Be("NotFound");
        reply.Message.Should().Be("jobs.batch \"x\" not found");
        ((string?)reply.Body!["details"]!["kind"]).Should().Be("jobs");
        ((string?)reply.Body["details"]!["group"]).Should().Be("batch");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Unknown_resource_answers_404(string server)
    {
        var api = await On(server);
        (await api.GetAsync("/apis/batch/v1/nonsense")).Code.Should().Be(404);
        (await api.GetAsync("/apis/nonsense.example.dev/v1/things")).Code.Should().Be(404);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Missing_namespace_is_named(string server)
    {
        var api = await On(server);
        var reply = await api.PostAsync("/api/v1/namespaces/nowhere-at-all/configmaps", ConfigMap("x"));
        reply.Code.Should().Be(404);
        reply.Message.Should().Be("namespaces \"nowhere-at-all\" not found");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Names_can_be_generated(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var body = """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"run-"}}""";
        var first = (string)(await api.PostAsync(ConfigMaps(ns), body)).Body!["metadata"]!["name"]!;
        var second = (string)(await api.PostAsync(ConfigMaps(ns), body)).Body!["metadata"]!["name"]!;
        first.Should().MatchRegex("^run-[a-z0-9]{5}$");
        second.Should().NotBe(first);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Bad_name_is_invalid(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(ConfigMaps(ns), ConfigMap("Not_A_Name"));
        reply.Code.Should().Be(422);
        reply.Reason.Should().Be("Invalid");
        reply
            .Message.Should()
            .StartWith(
                "ConfigMap \"Not_A_Name\" is invalid: metadata.name: Invalid value: \"Not_A_Name\": a lowercase RFC 1123 subdomain must consist of"
            );
        ((string?)reply.Body!["details"]!["causes"]![0]!["field"]).Should().Be("metadata.name");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Object_without_a_name_is_invalid(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(ConfigMaps(ns), """{"apiVersion":"v1","kind":"ConfigMap","metadata":{}}""");
        reply.Code.Should().Be(422);
        reply.Message.Should().Contain("name or generateName is required");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Bad_label_is_invalid(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(ConfigMaps(ns), ConfigMap("x", metadata: ""","labels":{"a":"not a value!"}"""));
        reply.Code.Should().Be(422);
        reply
            .Message.Should()
            .Contain("metadata.labels: Invalid value: \"not a value!\": a valid label must be an empty string or consist of");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Namespace_that_differs_from_the_path_is_refused(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(ConfigMaps(ns), ConfigMap("x", metadata: ""","namespace":"other" """));
        reply.Code.Should().Be(400);
        reply.Message.Should().Contain("does not match the namespace sent on the request");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Update_at_an_old_version_conflicts(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var created = (await api.PostAsync(Jobs(ns), Job("x", "\"suspend\":true,"))).Body!;
        (await api.PatchAsync($"{Jobs(ns)}/x", """{"metadata":{"labels":{"a":"b"}}}""")).Code.Should().Be(200);
        var reply = await api.PutAsync($"{Jobs(ns)}/x", created.ToJsonString());
        reply.Code.Should().Be(409);
        reply.Reason.Should().Be("Conflict");
        reply
            .Message.Should()
            .Be(
                "Operation cannot be fulfilled on jobs.batch \"x\": the object has been modified; please apply your changes to the latest version and try again"
            );
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Update_without_a_version_overwrites(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var first = await api.PostAsync(ConfigMaps(ns), ConfigMap("x"));
        var second = await api.PutAsync($"{ConfigMaps(ns)}/x", ConfigMap("x", "\"b\":\"2\""));
        second.Code.Should().Be(200);
        second.Body!["data"]!["a"].Should().BeNull();
        ((string?)second.Body["metadata"]!["uid"]).Should().Be((string?)first.Body!["metadata"]!["uid"]);
        long.Parse((string)second.Body["metadata"]!["resourceVersion"]!)
            .Should()
            .BeGreaterThan(long.Parse((string)first.Body["metadata"]!["resourceVersion"]!));
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Write_that_changes_nothing_keeps_the_version(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var first = (await api.PostAsync(ConfigMaps(ns), ConfigMap("x"))).Body!;
        var second = await api.PutAsync($"{ConfigMaps(ns)}/x", first.ToJsonString());
        ((string?)second.Body!["metadata"]!["resourceVersion"]).Should().Be((string?)first["metadata"]!["resourceVersion"]);
        var third = await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"data":{"a":"1"}}""");
        ((string?)third.Body!["metadata"]!["resourceVersion"]).Should().Be((string?)first["metadata"]!["resourceVersion"]);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Update_with_another_uid_conflicts(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x"));
        var reply = await api.PutAsync(
            $"{ConfigMaps(ns)}/x",
            ConfigMap("x", metadata: ""","uid":"11111111-2222-4333-8444-555555555555" """)
        );
        reply.Code.Should().Be(409);
        reply.Message.Should().Contain("Precondition failed: UID in precondition: 11111111-2222-4333-8444-555555555555");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Body_with_another_name_than_the_path_is_rejected(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x"));
        var reply = await api.PutAsync($"{ConfigMaps(ns)}/x", ConfigMap("y"));
        reply.Code.Should().Be(400);
        reply.Message.Should().Be("the name of the object (y) does not match the name on the URL (x)");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Generation_follows_the_spec_alone(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        long Generation(Reply r) => (long)r.Body!["metadata"]!["generation"]!;
        Generation(await api.PostAsync(Deployments(ns), Deployment("web"))).Should().Be(1);
        Generation(await api.PatchAsync($"{Deployments(ns)}/web", """{"metadata":{"labels":{"a":"b"}}}""")).Should().Be(1);
        Generation(await api.PatchAsync($"{Deployments(ns)}/web/status", """{"status":{"replicas":2}}""")).Should().Be(1);
        Generation(await api.PatchAsync($"{Deployments(ns)}/web", """{"spec":{"replicas":3}}""")).Should().Be(2);
        Generation(await api.PatchAsync($"{Deployments(ns)}/web", """{"metadata":{"annotations":{"a":"b"}}}"""))
            .Should()
            .Be(3, "a deployment's annotations count");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Status_is_written_through_its_subresource_alone(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Deployments(ns), Deployment("web"));
        var main = await api.PatchAsync($"{Deployments(ns)}/web", """{"status":{"observedGeneration":7}}""");
        main.Body!["status"]!["observedGeneration"].Should().BeNull();
        var status = await api.PatchAsync($"{Deployments(ns)}/web/status", """{"spec":{"replicas":9},"status":{"observedGeneration":7}}""");
        ((long?)status.Body!["status"]!["observedGeneration"]).Should().Be(7);
        ((long?)status.Body["spec"]!["replicas"]).Should().Be(2);
        ((long?)(await api.GetAsync($"{Deployments(ns)}/web/status")).Body!["status"]!["observedGeneration"]).Should().Be(7);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Status_in_a_create_is_dropped(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var body = JsonNode.Parse(Deployment("web"))!;
        body["status"] = new JsonObject { ["replicas"] = 5 };
        var reply = await api.PostAsync(Deployments(ns), body.ToJsonString());
        reply.Body!["status"]!["replicas"].Should().BeNull();
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Dry_run_shows_but_does_not_store(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync($"{Deployments(ns)}?dryRun=All", Deployment("web"));
        reply.Code.Should().Be(201);
        ((string?)reply.Body!["spec"]!["strategy"]!["type"]).Should().Be("RollingUpdate");
        (await api.GetAsync($"{Deployments(ns)}/web")).Code.Should().Be(404);
        await api.PostAsync(Deployments(ns), Deployment("web"));
        ((long?)(await api.PatchAsync($"{Deployments(ns)}/web?dryRun=All", """{"spec":{"replicas":8}}""")).Body!["spec"]!["replicas"])
            .Should()
            .Be(8);
        (await api.DeleteAsync($"{Deployments(ns)}/web?dryRun=All")).Code.Should().Be(200);
        ((long?)(await api.GetAsync($"{Deployments(ns)}/web")).Body!["spec"]!["replicas"]).Should().Be(2);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Bodies_may_be_yaml(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(
            ConfigMaps(ns),
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yam\ndata:\n  a: |\n    two\n    lines\n  b: \"true\"\n",
            "application/yaml"
        );
        reply.Code.Should().Be(201, reply.Text);
        ((string?)reply.Body!["data"]!["a"]).Should().Be("two\nlines\n");
        ((string?)reply.Body["data"]!["b"]).Should().Be("true");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Body_of_unknown_type_is_415(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(ConfigMaps(ns), "x", "text/plain");
        reply.Code.Should().Be(415);
        reply.Reason.Should().Be("UnsupportedMediaType");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Unsupported_media_type_is_406(string server)
    {
        var api = await On(server);
        (await api.GetAsync("/api/v1/namespaces", "image/png")).Code.Should().Be(406);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Verb_that_is_not_offered_is_405(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync($"{ConfigMaps(ns)}/x", ConfigMap("x"));
        reply.Code.Should().Be(405);
        reply.Reason.Should().Be("MethodNotAllowed");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Broken_json_is_400(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        (await api.PostAsync(ConfigMaps(ns), "{\"metadata\":")).Code.Should().Be(400);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Value_of_the_wrong_type_is_400(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PostAsync(Jobs(ns), Job("x", "\"parallelism\":\"many\","));
        reply.Code.Should().Be(400);
        reply.Message.Should().StartWith("Job in version \"v1\" cannot be handled as a Job: ");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Body_of_another_kind_than_the_path_is_400(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        (await api.PostAsync(ConfigMaps(ns), Job("x"))).Code.Should().Be(400);
    }
}
