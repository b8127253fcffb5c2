// The life of a container with the generated client: `go run . URL TOKEN IMAGE PORT`. Prints one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"lightd.example/life/client"
)

const id = "go-001"

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// need ends the program unless the parsed body of a success is there.
func need[T any](found *T, body []byte) T {
	if found == nil {
		check(fmt.Errorf("%s", body))
	}
	return *found
}

func main() {
	url, token, image := os.Args[1], os.Args[2], os.Args[3]
	first, err := strconv.Atoi(os.Args[4])
	check(err)
	background := context.Background()
	api, err := client.NewClientWithResponses(url, client.WithRequestEditorFn(
		func(_ context.Context, request *http.Request) error {
			request.Header.Set("Authorization", "Bearer "+token)
			request.Header.Set("Accept", "Application/vnd.pkglatv1+json")
			return nil
		}))
	check(err)

	var ranged, listed client.PortRangeBody
	udp := client.PortBodyProtocol("udp")
	list := client.PortList{Ports: []client.PortBody{{Ip: "127.0.0.1", Port: first, Protocol: &udp}}}
	check(ranged.FromPortRange(client.PortRange{Ip: "127.0.0.1", From: first, To: first + 1}))
	check(listed.FromPortList(list))
	var ports int64
	for _, body := range []client.PortRangeBody{ranged, listed} {
		added, err := api.AddPortsWithResponse(background, body)
		check(err)
		ports += need(added.JSON200, added.Body).Count
	}
	made, err := api.CreateVolumeWithResponse(background, client.VolumeBody{})
	check(err)
	volume := need(made.JSON201, made.Body)

	seconds := float64(120)
	pattern := "Ready"
	command, stop := client.StopBodyType("command"), "stop"
	startup := `echo Ready; while read -r line; do [ "$line" = stop ] && exit; echo "got: $line"; done`
	body := client.ContainerBody{
		InternalId:     id,
		Image:          &image,
		VolumeId:       volume.VolumeId,
		StartupCommand: &startup,
		StartPattern:   &pattern,
		Ports:          &[]client.BindingBody{{Ip: "127.0.0.1", Port: first}},
		Stop:           &client.StopBody{Type: &command, Value: &stop},
	}
	created, err := api.CreateContainerWithResponse(background, &client.CreateContainerParams{Wait: &seconds}, body)
	check(err)
	started, err := api.StartContainerWithResponse(background, id, &client.StartContainerParams{Wait: &seconds})
	check(err)
	var one, several client.CommandBody
	check(one.FromOneCommand(client.OneCommand{Command: "say one"}))
	check(several.FromCommands(client.Commands{Commands: []string{"say two", "say three"}}))
	commands := 0
	for _, body := range []client.CommandBody{one, several} {
		sent, err := api.SendCommandWithResponse(background, id, body)
		check(err)
		commands += int(need(sent.JSON200, sent.Body).Count)
	}
	shown, err := api.ShowContainerWithResponse(background, id)
	check(err)
	lines := 10
	logs, err := api.ShowLogsWithResponse(background, id, &client.ShowLogsParams{Lines: &lines})
	check(err)
	texts := []string{}
	for _, line := range need(logs.JSON200, logs.Body).Lines {
		texts = append(texts, line.Text)
	}
	missing, err := api.ShowContainerWithResponse(background, "nobody")
	check(err)
	stopped, err := api.StopContainerWithResponse(background, id, &client.StopContainerParams{Wait: &seconds})
	check(err)
	deleted, err := api.DeleteContainerWithResponse(background, id, &client.DeleteContainerParams{})
	check(err)
	var end struct {
		Message string `json:"message"`
	}
	check(json.Unmarshal(deleted.Body, &end))

	container := need(shown.JSON200, shown.Body)
	found, err := json.Marshal(map[string]any{
		"ports":    ports,
		"created":  need(created.JSON200, created.Body).Status,
		"started":  need(started.JSON200, started.Body).Status,
		"commands": commands,
		"state":    container.State,
		"memory":   container.Limits.Memory,
		"logs":     texts,
		"missing":  need(missing.JSON404, missing.Body).Code,
		"stopped":  need(stopped.JSON200, stopped.Body).Status,
		"deleted":  end.Message,
	})
	check(err)
	fmt.Println(string(found))
}
