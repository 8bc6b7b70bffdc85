using System.Text.Json.Nodes;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Suspension;
using Bursar.Sandbox.Merging;
using Bursar.Sandbox.Values;
using Bursar.Tests.Integration.Kubernetes;
using Microsoft.AspNetCore.Http;

namespace Bursar.Tests.Integration.Operator.Suspension;

/// <summary>The rules of decision 0016, by what an object looks like after a write that something came between.</summary>
public sealed class FieldWriterTests
{
    private const string Suspend = "/spec/suspend";
    private const string Paused = "/metadata/annotations/autoscaling.keda.sh~1paused-replicas";
    private const string Running =
        """{"metadata": {"name": "o", "uid": "u", "generation": 1}, "spec": {"suspend": false, "parallelism": 2}}""";

    private static readonly ObjectRef Job = new("batch/v1", "Job", "o", "u");
    private static readonly ObjectRef Scaled = new("keda.sh/v1alpha1", "ScaledObject", "o", "u");
    private static readonly ObjectRef Service = new("serving.kserve.io/v1beta1", "InferenceService", "o", "u");

    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Write_sets_and_removes_fields_and_leaves_the_rest()
    {
        await using var server = await OneObject.StartAsync(
            """{"metadata": {"name": "o", "uid": "u", "generation": 1, "annotations": {"mine": "1", "bursar.dev/suspended-by": "gpubudget/a"}}, "spec": {"suspend": true, "parallelism": 2}}"""
        );
        (await server.SetAsync(Job, new(Suspend, "null"), FieldWriter.Mirror(null).First())).Should().Be(WriteOutcome.Done);
        server.Annotations.Should().Be("""{"mine":"1"}""");
        server.Spec.Should().Be("""{"parallelism":2}""");
    }

    [Fact]
    public async Task Object_recreated_between_read_and_write_is_left_alone()
    {
        await using var server = await OneObject.StartAsync(Running);
        server.BeforePatch = () =>
            server.Replace("""{"metadata": {"name": "o", "uid": "other", "generation": 1}, "spec": {"suspend": false}}""");
        (await server.SetAsync(Job, new FieldValue(Suspend, "true"))).Should().Be(WriteOutcome.Gone);
        server.Spec.Should().Be("""{"suspend":false}""");
    }

    [Fact]
    public async Task Object_deleted_between_read_and_write_is_gone()
    {
        await using var server = await OneObject.StartAsync(Running);
        server.BeforePatch = () => server.Replace(null);
        (await server.SetAsync(Job, new FieldValue(Suspend, "true"))).Should().Be(WriteOutcome.Gone);
    }

    [Fact]
    public async Task Field_changed_between_read_and_write_is_decided_anew()
    {
        await using var server = await OneObject.StartAsync(Running);
        server.BeforePatch = () => server.Change(obj => obj["spec"]!["suspend"] = true);
        var seen = new List<string>();
        var outcome = await server.Writer.ChangeAsync(
            "team",
            Job,
            obj =>
            {
                seen.Add(FieldWriter.Text(obj, Suspend));
                return seen[^1] == "true"
                    ? WriteOutcome.ChangedByOther()
                    : FieldChange.Set(new FieldValue(Suspend, "true"), new FieldValue("/spec/parallelism", "1"));
            },
            Ct
        );
        outcome.Result.Should().Be(WriteResult.ChangedByOther);
        seen.Should().Equal("false", "true");
        server.Spec.Should().Be("""{"suspend":true,"parallelism":2}""");
    }

    [Fact]
    public async Task Other_field_changed_between_read_and_write_stays_as_changed()
    {
        await using var server = await OneObject.StartAsync(Running);
        server.BeforePatch = () => server.Change(obj => obj["spec"]!["parallelism"] = 7);
        (await server.SetAsync(Job, new FieldValue(Suspend, "true"))).Should().Be(WriteOutcome.Done);
        server.Spec.Should().Be("""{"suspend":true,"parallelism":7}""");
    }

    [Fact]
    public async Task Absent_spec_field_set_between_read_and_write_is_not_overwritten()
    {
        await using var server = await OneObject.StartAsync("""{"metadata": {"name": "o", "uid": "u", "generation": 1}, "spec": {}}""");
        server.BeforePatch = () => server.Change(obj => obj["spec"]!["maxReplicaCount"] = 9);
        var outcome = await server.Writer.ChangeAsync(
            "team",
            Scaled,
            obj =>
                FieldWriter.Text(obj, "/spec/maxReplicaCount") == "null"
                    ? FieldChange.Set(new FieldValue("/spec/maxReplicaCount", "2"))
                    : WriteOutcome.ChangedByOther(),
            Ct
        );
        outcome.Result.Should().Be(WriteResult.ChangedByOther);
        server.Spec.Should().Be("""{"maxReplicaCount":9}""");
    }

    [Fact]
    public async Task Absent_annotation_set_between_read_and_write_is_not_overwritten()
    {
        await using var server = await OneObject.StartAsync(
            """{"metadata": {"name": "o", "uid": "u", "generation": 1, "annotations": {"mine": "1"}}, "spec": {}}"""
        );
        server.BeforePatch = () => server.Change(obj => obj["metadata"]!["annotations"]!["autoscaling.keda.sh/paused-replicas"] = "3");
        var outcome = await server.Writer.ChangeAsync(
            "team",
            Scaled,
            obj =>
                FieldWriter.Text(obj, Paused) == "null" ? FieldChange.Set(new FieldValue(Paused, "\"0\"")) : WriteOutcome.ChangedByOther(),
            Ct
        );
        outcome.Result.Should().Be(WriteResult.ChangedByOther);
        server.Annotations.Should().Be("""{"mine":"1","autoscaling.keda.sh/paused-replicas":"3"}""");
    }

    /// <summary>
    /// The annotations that describe a suspension to users are not tested, but the object that contains them is created with them.
    /// </summary>
    [Fact]
    public async Task First_annotation_of_a_user_between_read_and_write_survives()
    {
        await using var server = await OneObject.StartAsync(Running);
        server.BeforePatch = () => server.Change(obj => obj["metadata"]!["annotations"] = new JsonObject { ["mine"] = "1" });
        (await server.SetAsync(Job, [new(Suspend, "true"), .. FieldWriter.Mirror("gpubudget/b", "Exhausted")]))
            .Should()
            .Be(WriteOutcome.Done);
        server
            .Annotations.Should()
            .Be("""{"mine":"1","bursar.dev/suspended-by":"gpubudget/b","bursar.dev/suspended-reason":"Exhausted"}""");
        server.Spec.Should().Be("""{"suspend":true,"parallelism":2}""");
    }

    [Fact]
    public async Task Missing_parents_are_created_with_the_field()
    {
        await using var server = await OneObject.StartAsync("""{"metadata": {"name": "o", "uid": "u", "generation": 1}}""");
        (await server.SetAsync(Service, new(FieldRestorer.PredictorMin, "1"), new(FieldRestorer.PredictorMax, "2")))
            .Should()
            .Be(WriteOutcome.Done);
        server.Spec.Should().Be("""{"predictor":{"minReplicas":1,"maxReplicas":2}}""");
    }

    [Theory]
    [InlineData("\"text\"")]
    [InlineData("[1]")]
    [InlineData("7")]
    public async Task Parent_of_another_type_is_not_replaced(string predictor)
    {
        await using var server = await OneObject.StartAsync(
            $$$"""{"metadata": {"name": "o", "uid": "u", "generation": 1}, "spec": {"predictor": {{{predictor}}}}}"""
        );
        var outcome = await server.SetAsync(Service, new FieldValue(FieldRestorer.PredictorMin, "1"));
        outcome.Should().Be(WriteOutcome.Refused("/spec/predictor of InferenceService o is not an object"));
        server.Spec.Should().Be($$$"""{"predictor":{{{predictor}}}}""");
    }

    [Theory]
    [InlineData("\"false\"")]
    [InlineData("0")]
    [InlineData("[]")]
    [InlineData("null")]
    public async Task Field_of_another_type_is_tested_as_it_was_read(string present)
    {
        await using var server = await OneObject.StartAsync(
            $$$"""{"metadata": {"name": "o", "uid": "u", "generation": 1}, "spec": {"suspend": {{{present}}}}}"""
        );
        (await server.SetAsync(Job, new FieldValue(Suspend, "true"))).Should().Be(WriteOutcome.Done);
        server.Spec.Should().Be("""{"suspend":true}""");
    }

    [Fact]
    public async Task Object_without_a_generation_is_written_only_as_it_was_read()
    {
        await using var server = await OneObject.StartAsync(
            """{"metadata": {"name": "o", "uid": "u", "annotations": {"bursar.dev/held": "absent"}}, "spec": {"suspend": true}}"""
        );
        server.BeforePatch = () => server.Change(obj => obj["spec"]!["parallelism"] = 3);
        var outcome = await server.Writer.ChangeAsync(
            "team",
            Job,
            obj =>
                FieldWriter.Text(obj, "/spec/parallelism") != "null"
                    ? WriteOutcome.ChangedByOther()
                    : FieldChange.Set(new FieldValue(Suspend, "null")) with
                    {
                        TestsSpec = true,
                    },
            Ct
        );
        outcome.Result.Should().Be(WriteResult.ChangedByOther);
        server.Spec.Should().Be("""{"suspend":true,"parallelism":3}""");
    }

    [Fact]
    public async Task Object_changed_at_every_attempt_is_left_as_it_is()
    {
        await using var server = await OneObject.StartAsync(Running);
        var generation = 1;
        server.BeforePatch = () => server.Change(obj => obj["spec"]!["suspend"] = $"{++generation}");
        var write = () => server.SetAsync(Job, new FieldValue(Suspend, "true"));
        (await write.Should().ThrowAsync<ApiException>()).Which.IsInvalid.Should().BeTrue();
        generation.Should().Be(1 + FieldWriter.MostTries);
        server.Spec.Should().Be($$$"""{"suspend":"{{{generation}}}","parallelism":2}""");
    }

    [Theory]
    [InlineData(409)]
    [InlineData(422)]
    public async Task Refusal_of_an_admission_webhook_is_reported_with_its_message(int code)
    {
        await using var server = await OneObject.StartAsync(Running);
        server.Refusal = (code, "admission webhook \\\"policy\\\" denied the request: not on Fridays");
        var write = () => server.SetAsync(Job, new FieldValue(Suspend, "true"));
        (await write.Should().ThrowAsync<ApiException>()).Which.Message.Should().Contain("not on Fridays");
        server.Spec.Should().Be("""{"suspend":false,"parallelism":2}""");
    }

    [Fact]
    public async Task Failure_to_store_what_is_about_to_be_written_leaves_the_object()
    {
        await using var server = await OneObject.StartAsync(Running);
        var write = () =>
            server.Writer.ChangeAsync(
                "team",
                Job,
                async obj =>
                {
                    await Task.Yield();
                    throw new ApiException(500, "InternalError", "the ledger was not written");
                },
                Ct
            );
        await write.Should().ThrowAsync<ApiException>().WithMessage("the ledger was not written");
        server.Spec.Should().Be("""{"suspend":false,"parallelism":2}""");
    }

    [Fact]
    public async Task Write_whose_answer_was_lost_is_found_done()
    {
        await using var server = await OneObject.StartAsync(Running);
        server.LosesAnswer = true;
        var write = () => server.SetAsync(Job, new FieldValue(Suspend, "true"));
        (await write.Should().ThrowAsync<ApiException>()).Which.StatusCode.Should().Be(500);
        (await write()).Should().Be(WriteOutcome.AlreadySo);
        server.Spec.Should().Be("""{"suspend":true,"parallelism":2}""");
    }

    [Fact]
    public async Task Two_operators_write_once()
    {
        await using var server = await OneObject.StartAsync(Running);
        WriteOutcome? other = null;
        server.BeforePatch = () =>
        {
            server.BeforePatch = null;
            other = server.SetAsync(Job, new FieldValue(Suspend, "true")).GetAwaiter().GetResult();
        };
        (await server.SetAsync(Job, new FieldValue(Suspend, "true"))).Should().Be(WriteOutcome.AlreadySo);
        other.Should().Be(WriteOutcome.Done);
        server.Generation.Should().Be(2);
    }

    [Fact]
    public async Task Object_is_written_in_the_version_that_the_server_serves()
    {
        await using var server = await OneObject.StartAsync(
            """{"metadata": {"name": "o", "uid": "u", "generation": 1}, "spec": {"active": true}}""",
            "/apis/kueue.x-k8s.io/v1beta1/"
        );
        (await server.SetAsync(new("kueue.x-k8s.io/v1beta2", "Workload", "o", "u"), new FieldValue("/spec/active", "false")))
            .Should()
            .Be(WriteOutcome.Done);
        server.Spec.Should().Be("""{"active":false}""");
    }

    [Theory]
    [InlineData("""{"metadata": {"name": "o", "uid": "u", "resourceVersion": "1"}, "spec": {"replicas": 2}}""", 2)]
    [InlineData("""{"metadata": {"name": "o", "uid": "u", "resourceVersion": "1"}, "spec": {}}""", 0)]
    [InlineData("""{"metadata": {"name": "o", "resourceVersion": "1"}, "spec": {"replicas": 2}}""", 2)]
    public async Task Scale_is_written_only_as_it_was_seen(string scale, int from)
    {
        await using var server = await OneObject.StartAsync(scale);
        (await server.ScaleAsync(from + 1, 5)).Result.Should().Be(WriteResult.ChangedByOther);
        (await server.ScaleAsync(from, 5)).Should().Be(WriteOutcome.Done);
        (await server.ScaleAsync(from, 5)).Should().Be(WriteOutcome.AlreadySo);
        server.Spec.Should().Be("""{"replicas":5}""");
    }

    /// <summary>Without a UID only the resource version distinguishes an object from the next of its name.</summary>
    [Fact]
    public async Task Scale_without_a_uid_of_a_recreated_object_is_read_again()
    {
        await using var server = await OneObject.StartAsync("""{"metadata": {"name": "o"}, "spec": {"replicas": 2}}""");
        var replaced = 0;
        server.BeforePatch = () =>
        {
            if (replaced++ == 0)
                server.Replace("""{"metadata": {"name": "o"}, "spec": {"replicas": 2}, "status": {"selector": "another"}}""");
        };
        (await server.ScaleAsync(2, 0)).Should().Be(WriteOutcome.Done);
        replaced.Should().Be(2);
    }

    /// <summary>
    /// An API server with one object, served under one prefix. A write counts its versions up, and its generation where the object has one.
    /// </summary>
    private sealed class OneObject : IAsyncDisposable
    {
        private readonly ScriptedServer _server;
        private readonly KubeClient _client;
        private JsonObject? _object;
        private int _version;

        private OneObject(ScriptedServer server)
        {
            _server = server;
            _client = server.Client();
            Writer = new(_client);
        }

        public FieldWriter Writer { get; }

        /// <summary>Another actor's change between a read and a write.</summary>
        public Action? BeforePatch { get; set; }

        /// <summary>The answer to every write.</summary>
        public (int Code, string Message)? Refusal { get; set; }

        /// <summary>The next write happens and is answered with an error.</summary>
        public bool LosesAnswer { get; set; }

        public string Spec => _object!["spec"]!.ToJsonString();

        public string Annotations => _object!["metadata"]!["annotations"]!.ToJsonString();

        public int Generation => (int)_object!["metadata"]!["generation"]!;

        public static async Task<OneObject> StartAsync(string json, string served = "/apis/")
        {
            OneObject? one = null;
            one = new(await ScriptedServer.StartAsync((asked, context) => one!.AnswerAsync(asked, context, served)));
            one.Replace(json);
            return one;
        }

        public void Replace(string? json)
        {
            _object = json is null ? null : JsonNode.Parse(json)!.AsObject();
            if (_object is not null)
                _object["metadata"]!["resourceVersion"] = $"{++_version}";
        }

        public void Change(Action<JsonObject> change)
        {
            change(_object!);
            Count();
        }

        public Task<WriteOutcome> SetAsync(ObjectRef target, params FieldValue[] fields) =>
            Writer.ChangeAsync(
                "team",
                target,
                obj =>
                    fields.All(field => FieldWriter.Same(FieldWriter.Text(obj, field.Pointer), field.Value))
                        ? WriteOutcome.AlreadySo
                        : FieldChange.Set(fields),
                Ct
            );

        public Task<WriteOutcome> ScaleAsync(int from, int to) =>
            Writer.ScaleAsync(V1Deployment.EntityKind, "team", "o", "u", from, to, Ct);

        private async Task AnswerAsync(RecordedRequest asked, HttpContext context, string served)
        {
            if (!asked.Path.StartsWith(served, StringComparison.Ordinal))
                await context.StatusAsync(404, "", "404 page not found");
            else if (asked.Method == "PATCH")
                await PatchAsync(asked, context);
            else
                await ShowAsync(context);
        }

        private async Task PatchAsync(RecordedRequest asked, HttpContext context)
        {
            BeforePatch?.Invoke();
            if (Refusal is { } refusal)
            {
                await context.StatusAsync(refusal.Code, "", refusal.Message);
                return;
            }
            if (_object is not null)
            {
                try
                {
                    _object = JsonPatch.Apply(_object, JsonNode.Parse(asked.Body))!.AsObject();
                }
                catch (ApiError error)
                {
                    await context.StatusAsync(error.Code, error.Reason, error.Message.Replace('"', '\''));
                    return;
                }
                Count();
            }
            if (!LosesAnswer)
                await ShowAsync(context);
            else
            {
                LosesAnswer = false;
                await context.StatusAsync(500, "InternalError");
            }
        }

        private Task ShowAsync(HttpContext context) =>
            _object is null ? context.StatusAsync(404, "NotFound") : context.JsonAsync(_object.ToJsonString());

        private void Count()
        {
            var metadata = _object!["metadata"]!;
            metadata["resourceVersion"] = $"{++_version}";
            if (metadata["generation"] is { } generation)
                metadata["generation"] = (int)generation + 1;
        }

        public async ValueTask DisposeAsync()
        {
            _client.Dispose();
            await _server.DisposeAsync();
        }
    }
}
